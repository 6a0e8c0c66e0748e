"""Files that people have and that once failed: the handed ones, each with its right answer.

They lie beside the checkout and not in it; what each stands for is tested on files of our own too
(`test_decode_kinds.py`).
"""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gait.decode import Decoded, decode_clip
from gait.decode.points.axes import CloudSource
from gait.errors import ClipEmptyError, ClipError, LimitExceededError
from gait.lidar import Axis
from gait.quality.quality import Mode, Reason, require_quality
from tests.unit.test_decode_kinds import overlap

pytestmark = pytest.mark.serving

FOLDER = Path(__file__).parents[2].parent / "shared" / "data" / "faults"
if not FOLDER.is_dir():
    pytest.skip(f"needs the handed files in {FOLDER}", allow_module_level=True)


def decoded(name: str, forward: Axis | None = None) -> Decoded:
    return decode_clip((FOLDER / name).read_bytes(), source=CloudSource(forward=forward))


@pytest.fixture(scope="module")
def reference() -> NDArray[np.uint8]:
    return decoded("reference.zip").clip.frames


@pytest.fixture(scope="module")
def clouds() -> NDArray[np.uint8]:
    return decoded("clouds_4_columns.zip").clip.frames


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("h264_no_sound.mp4", 0.99),
        ("h264_with_sound.mp4", 0.99),
        ("h264.mkv", 0.99),
        ("vp9.webm", 0.99),
        ("interlaced_h264.mp4", 0.95),
        ("interlaced_mpeg2.avi", 0.95),
        ("interlaced_mpeg4.avi", 0.95),
        ("class_id_1.zip", 1.0),
        ("palette_class_15.zip", 1.0),
        ("uint16_0_255.zip", 1.0),
        ("rgba_mask_in_alpha.zip", 1.0),
        ("npz_with_labels.npz", 1.0),
        ("with_comment.zip", 1.0),
        ("with_thumbs_db_and_labels.zip", 1.0),
        ("speck_3x3.zip", 1.0),
        ("crops_of_different_sizes.zip", 0.99),
    ],
)
def test_accepted_like_the_reference(name: str, least: float, reference: NDArray[np.uint8]) -> None:
    found = decoded(name)
    assert found.frames_used == len(reference)
    assert overlap(found.clip.frames, reference) >= least


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("npz_with_labels.npz", {"not_frames": "labels"}),
        ("with_thumbs_db_and_labels.zip", {"not_frames": "Thumbs.db, labels.txt"}),
        ("speck_3x3.zip", {"frames_cleaned": 32}),
    ],
)
def test_what_was_left_out_is_said(name: str, said: dict[str, object]) -> None:
    assert decoded(name).assumed == said


def test_interlaced_videos_say_so() -> None:
    assert decoded("interlaced_mpeg2.avi").assumed["deinterlaced"] == 32


def test_a_long_clip_is_sampled() -> None:
    found = decoded("frames_360.npz")
    assert (found.frames_in, found.frames_used, found.dropped) == (360, 300, {"thinned": 60})


def test_cut_frames_are_dropped_and_said() -> None:
    found = decoded("leaves_the_picture.zip")
    assert found.dropped["cut_off"] == 16
    assert found.frames_used == found.frames_in - sum(found.dropped.values()) > 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [("all_white.zip", "background_lit"), ("inverted.zip", "background_lit"),
     ("two_people.zip", "two_people")],
)  # fmt: skip
def test_refused_with_its_reason(name: str, reason: str) -> None:
    with pytest.raises(ClipEmptyError, match=f"32 {reason}"):
        decoded(name)


def test_every_handed_file_has_its_test() -> None:
    here = Path(__file__).read_text("utf-8")
    files = [path.name for path in FOLDER.iterdir() if path.suffix != ".md"]
    assert len(files) > 30
    assert [name for name in files if f'"{name}"' not in here] == []


def test_columns_are_found(clouds: NDArray[np.uint8]) -> None:
    assert decoded("clouds_4_columns.zip").assumed["bin_columns"] == "4 of float32"
    found = decoded("clouds_5_columns.zip")
    assert found.assumed["bin_columns"] == "5 of float32"
    np.testing.assert_array_equal(found.clip.frames, clouds)


def test_another_forward_axis(clouds: NDArray[np.uint8]) -> None:
    with pytest.raises(ClipError, match=r"toward \+y of the sensor.* say forward=\+y"):
        decoded("clouds_y_forward.zip", Axis.PLUS_X)
    for said in (Axis.PLUS_Y, None):
        found = decoded("clouds_y_forward.zip", said)
        assert found.assumed["forward"] == "+y"
        assert overlap(found.clip.frames, clouds) > 0.999


def test_the_ground_is_taken_away(clouds: NDArray[np.uint8]) -> None:
    found = decoded("clouds_ground_at_the_feet.zip")
    removed = found.assumed["ground_points_removed"]
    assert isinstance(removed, int)
    assert 4750 <= removed <= 4900  # 300 of each of 16 frames, and some of the soles
    # The walker is a stick of 420 points: a row more or less moves half of its pixels.
    assert overlap(found.clip.frames, clouds) > 0.5


def test_the_sensor_is_estimated(clouds: NDArray[np.uint8]) -> None:
    found = decoded("clouds_32_beams.zip")
    assert found.assumed["row_step_degrees"] == pytest.approx(1.25, abs=0.05)
    lit = found.clip.frames.max(axis=(1, 3)) > 0
    assert lit.mean() > 0.9  # no stripes


def test_a_count_of_zero_is_read() -> None:
    from tests import clip_files as files

    data = (FOLDER / "pcd_count_0.pcd").read_bytes()
    assert decode_clip(files.zipped({"a.pcd": data})).frames_used == 1


def test_the_bomb_is_refused_by_its_header() -> None:
    with pytest.raises(LimitExceededError, match="10001 scans"):
        decoded("jpeg_scan_bomb.zip")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("all_white.zip", Reason.INVERTED),
        ("inverted.zip", Reason.INVERTED),
        ("two_people.zip", Reason.SEVERAL_PEOPLE),
        ("noise.zip", Reason.NOISE),
        ("box.zip", Reason.NOT_A_PERSON),
        ("circle.zip", Reason.NOT_A_PERSON),
        ("upside_down.zip", Reason.UPSIDE_DOWN),
        ("stands_still.zip", Reason.NOT_WALKING),
    ],
)
def test_what_shows_no_walk_is_refused_with_its_reason(name: str, reason: Reason) -> None:
    with pytest.raises(ClipError) as refused:
        require_quality(decoded(name).quality, Mode.STANDARD)
    reasons = refused.value.fields["quality_reasons"]
    assert isinstance(reasons, list)
    assert str(reason) in reasons


@pytest.mark.parametrize(
    "name",
    [
        "reference.zip",
        "speck_3x3.zip",
        "vp9.webm",
        "interlaced_mpeg2.avi",
        "clouds_4_columns.zip",
        "clouds_32_beams.zip",
        "clouds_ground_at_the_feet.zip",
    ],
)
def test_a_walk_passes_even_strict(name: str) -> None:
    assert decoded(name).quality.passes(Mode.STRICT)


def test_who_leaves_the_picture_passes_with_lower_quality() -> None:
    quality = decoded("leaves_the_picture.zip").quality
    assert quality.passes(Mode.STANDARD)
    assert not quality.passes(Mode.STRICT)
    assert Reason.CUT_OFF in quality.reasons
