"""Recordings of a camera as they come: with sound, turned, cut off, empty, not at an even rate."""

import threading
from contextlib import suppress
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.stream import VideoStream

from capture.source.opening import SentVideo, shown
from capture.source.video import Frame, describe, frames
from gait.decode.limits import Limits
from gait.errors import (
    CorruptFileError,
    DecodeError,
    LayoutError,
    SourceLostError,
    UnsupportedFormatError,
)
from tests.clip_files import turned_as_phones_do
from tests.street_videos import HEIGHT, WIDTH, Walker, picture, write_video

pytestmark = pytest.mark.serving
WALKER = (Walker((30, 40, 220), 20, 4.0),)
FRAMES = 12


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short video with sound."""
    path = tmp_path_factory.mktemp("video") / "sound.mkv"
    return write_video(path, WALKER, FRAMES, sound=True)


def test_frames_come_in_order_with_their_times_and_without_the_sound(video: Path) -> None:
    read = list(frames(str(video)))
    assert [each.index for each in read] == list(range(FRAMES))
    assert np.allclose([each.seconds for each in read], np.arange(FRAMES) / 10, atol=0.002)
    assert np.abs(read[3].picture.astype(int) - picture(WALKER, 3)).max() <= 2


def test_a_recording_says_its_rate_and_length(video: Path) -> None:
    found = describe(str(video))
    assert found.rate == 10.0
    assert found.count in (FRAMES, FRAMES + 1)  # its sound is a little longer
    assert not found.live


def test_reading_goes_on_after_a_frame(video: Path) -> None:
    *_, last = list(frames(str(video)))[:5]
    read = list(frames(str(video), after=last))
    assert read[0].index == last.index + 1
    assert read[0].seconds > last.seconds


def test_what_comes_before_a_cut_is_read(video: Path, tmp_path: Path) -> None:
    whole = video.read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    read = list(frames(str(cut)))
    assert 0 < len(read) < FRAMES


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100, b"\0" * 5000])
def test_what_is_no_video_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.mp4"
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"odd\.mp4"):
        describe(str(path))


def test_a_missing_file_and_a_folder_without_pictures_are_named(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="no file"):
        describe(str(tmp_path / "none.mp4"))
    with pytest.raises(LayoutError, match="no pictures"):
        describe(str(tmp_path))


def test_a_file_with_sound_only_is_named(tmp_path: Path) -> None:
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=16000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate = 16000
        out.mux(stream.encode(silence))
        out.mux(stream.encode())
    with pytest.raises(CorruptFileError, match="no pictures"):
        describe(str(path))


def test_times_of_a_variable_rate_are_those_of_the_file(tmp_path: Path) -> None:
    stamps = [0, 100, 150, 400, 1000]
    path = tmp_path / "variable.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264rgb", rate=Fraction(10), options={"qp": "0"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "rgb24"
        stream.codec_context.time_base = Fraction(1, 1000)
        for row, stamp in enumerate(stamps):
            shown = av.VideoFrame.from_ndarray(picture(WALKER, row), format="bgr24")
            shown.pts, shown.time_base = stamp, Fraction(1, 1000)
            out.mux(stream.encode(shown))
        out.mux(stream.encode())
    read = [each.seconds for each in frames(str(path))]
    assert np.allclose(read, np.array(stamps) / 1000, atol=0.002)


def test_a_folder_of_pictures_is_a_recording(tmp_path: Path) -> None:
    for row in (10, 2, 1):
        cv2.imwrite(str(tmp_path / f"{row}.png"), picture(WALKER, row))
    read = list(frames(str(tmp_path)))
    assert [np.array_equal(each.picture, picture(WALKER, row)) for each, row in
            zip(read, (1, 2, 10), strict=True)] == [True] * 3  # fmt: skip
    assert describe(str(tmp_path)).count == 3


def test_a_damaged_picture_is_left_out_and_only_damaged_ones_are_named(tmp_path: Path) -> None:
    for row in range(5):
        cv2.imwrite(str(tmp_path / f"{row}.png"), picture(WALKER, row))
    (tmp_path / "1.png").write_bytes(b"nothing")
    (tmp_path / "2.png").write_bytes(b"")
    (tmp_path / ".3.png").write_bytes(b"hidden")
    (tmp_path / "folder.png").mkdir()
    read = list(frames(str(tmp_path)))
    assert [(each.index, each.seconds) for each in read] == [(0, 0), (3, 0.12), (4, 0.16)]
    assert [each.index for each in frames(str(tmp_path), after=read[1])] == [4]
    assert list(frames(str(tmp_path), after=read[2])) == []
    for row in (0, 3, 4):
        (tmp_path / f"{row}.png").write_bytes(b"nothing")
    with pytest.raises(CorruptFileError, match="no picture that can be read"):
        list(frames(str(tmp_path)))
    for row in range(5):
        (tmp_path / f"{row}.png").unlink()
    with pytest.raises(LayoutError, match="no pictures"):
        describe(str(tmp_path))


def test_a_stream_that_does_not_answer_is_named() -> None:
    with pytest.raises(SourceLostError, match="does not answer"):
        describe("http://127.0.0.1:9/video")


def test_a_password_in_an_address_is_not_told() -> None:
    assert shown("rtsp://user:secret@camera:554/one") == "rtsp://camera:554/one"
    assert shown("/videos/street.mp4") == "/videos/street.mp4"
    with pytest.raises(SourceLostError) as lost:
        describe("http://user:secret@127.0.0.1:9/video?token=secret")
    assert "secret" not in str(lost.value)


@pytest.mark.parametrize(("codec", "trusted"), [("wmv2", True), ("zmbv", False)])
def test_unusual_codecs_are_read_of_own_files_or_named(
    tmp_path: Path, codec: str, trusted: bool
) -> None:
    path = tmp_path / "odd.avi"
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=10)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "yuv420p" if trusted else "bgr0"
        for row in range(3):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture(WALKER, row), format="bgr24")))
        out.mux(stream.encode())
    with pytest.raises((CorruptFileError, UnsupportedFormatError)):
        describe(SentVideo(path.read_bytes(), Limits()))
    if trusted:
        assert len(list(frames(str(path)))) == 3
    else:
        with pytest.raises(UnsupportedFormatError, match=f"codec {codec}; convert it"):
            describe(str(path))


def test_a_frame_keeps_what_it_was_given() -> None:
    shown = picture(WALKER, 0)
    assert Frame(3, 0.3, shown).picture is shown


def test_pictures_of_4k_are_read(tmp_path: Path) -> None:
    path = tmp_path / "large.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=Fraction(10), options={"preset": "ultrafast"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 3840, 2160, "yuv420p"
        grey = np.full((2160, 3840, 3), 90, np.uint8)
        for _ in range(2):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="bgr24")))
        out.mux(stream.encode())
    assert [each.picture.shape for each in frames(str(path))] == [(2160, 3840, 3)] * 2


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_video_that_says_so_is_turned(tmp_path: Path, degrees: int) -> None:
    upright = write_video(tmp_path / "plain.mp4", WALKER, 3)
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(turned_as_phones_do(upright.read_bytes(), degrees))
    first = next(frames(str(turned))).picture
    # By the format's matrix, which turns against the clock here.
    expected = np.rot90(picture(WALKER, 0), degrees // 90)
    assert first.shape == expected.shape
    assert np.abs(expected.astype(int) - first).max() <= 2


def test_a_stream_gives_its_frames_and_then_is_lost(video: Path) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=str(video.parent))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    source = f"http://127.0.0.1:{server.server_port}/{video.name}"
    try:
        assert describe(source).live
        read: list[Frame] = []
        with pytest.raises(SourceLostError, match="has ended"):
            read.extend(frames(source))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert [each.index for each in read] == list(range(FRAMES))


@pytest.mark.parametrize("ending", ["mkv", "mp4", "avi"])
def test_videos_that_were_sent_are_read_or_refused_in_words(tmp_path: Path, ending: str) -> None:
    whole = write_video(tmp_path / f"a.{ending}", WALKER, 6).read_bytes()
    assert len(list(frames(SentVideo(whole, Limits())))) == 6
    chance, limits = np.random.default_rng(7), Limits(max_frames=50, max_pixels=WIDTH * HEIGHT)
    read = 0
    for _ in range(150):
        data = np.frombuffer(whole, np.uint8).copy()
        at = chance.integers(0, min(len(data), int(chance.choice([64, 600, len(data)]))), 3)
        data[at] = chance.integers(0, 256, 3)
        sent = SentVideo(data.tobytes()[: chance.integers(100, 2 * len(data))], limits)
        with suppress(DecodeError):
            describe(sent)
            read += len(list(frames(sent))) > 0
    assert 30 < read < 150


def test_a_playlist_that_was_sent_opens_no_other_file(tmp_path: Path) -> None:
    inside = write_video(tmp_path / "inside.mkv", WALKER, 6)
    for text in (f"ffconcat version 1.0\nfile {inside}\n", f"#EXTM3U\n#EXTINF:1,\n{inside}\n"):
        with pytest.raises(UnsupportedFormatError, match="got no recording"):
            describe(SentVideo(text.encode(), Limits()))
