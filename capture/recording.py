"""A recording in memory into the people in it: what a service does with one that is sent to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial

from capture.camera.capture import CameraCapture, CameraSettings
from capture.camera.people import Detector, Masker, networks
from capture.lidar.capture import LidarCapture, LidarSettings
from capture.output.clip_file import FACING, pack
from capture.source.cloud_archive import CloudArchive
from capture.source.opening import SentVideo
from capture.source.video import describe
from capture.track.sighting import Sighting
from gait.decode.archive import MAGIC
from gait.decode.clip import Decoded, decode_clip
from gait.decode.limits import Limits
from gait.errors import ClipError, LayoutError, UnsupportedFormatError
from gait.modality import Modality
from gait.range_style import RangeStyle


@dataclass(frozen=True, eq=False)
class Person:
    """A clip of one person in a recording. Can be pickled.

    Args:
        track: of the tracker; people of two tracks may be the same one.
        begins, ends: seconds since the recording began.
        frames: of the clip.
        decoded: the clip; None if what the frames show cannot be one, or if it was not wanted.
        problem: why it cannot be one.
        seconds: when each frame of the clip was taken, since the recording began; none if some of
            them could not be used.
    """

    track: int
    begins: float
    ends: float
    frames: int
    decoded: Decoded | None
    problem: ClipError | None = None
    seconds: tuple[float, ...] | None = None


def find_people(
    data: bytes,
    *,
    limits: Limits,
    keep: int = 20,
    tall: int = 60,
    most: int | None = None,
    style: RangeStyle = RangeStyle.BINS,
) -> list[Person]:
    """The people in a video, or in a zip of the clouds of whole scenes, in the order they leave.

    Nothing touches the disk.

    Args:
        data: the recording.
        limits: caps on its sizes; `max_frames` counts its frames.
        keep: frames that a clip must have.
        tall: pixels; people in a video who are lower are left out.
        most: people whose clips are wanted, the first ones; None for all.
        style: how point clouds are drawn, see `gait.decode.decode_clip`.

    Raises:
        DecodeError: it cannot be read, or is larger than allowed.
        WeightsError, MissingExtraError: this machine cannot look at videos.
    """
    limits.check_bytes(len(data))
    if data.startswith(MAGIC):
        return _in_clouds(data, limits, keep, most, style)
    return _in_pictures(data, limits, keep, tall, most)


class _People:
    """A sink that keeps clips in memory."""

    state: str | None = None

    def __init__(
        self,
        modality: Modality,
        limits: Limits,
        keep: int,
        most: int | None,
        style: RangeStyle = RangeStyle.BINS,
    ) -> None:
        self.found = list[Person]()
        self._keep, self._most = keep, most
        self._decode = partial(
            decode_clip, modality=modality, source=FACING, limits=limits, style=style
        )
        self._modality = modality

    def boxes(self, settled: list[tuple[int, Sighting]]) -> None:
        """Boxes are not kept."""

    def ended(self, track: int) -> None:
        """Nothing to do."""

    def save(self, state: str) -> None:
        """It does not go on later."""

    def piece(self, track: int, sightings: Sequence[Sighting], least_size: float = 0.0) -> None:
        """Keeps a clip."""
        whole = [each for each in sightings if each.whole]
        heights = sorted(each.box[3] - each.box[1] for each in whole)
        if len(whole) < self._keep or heights[len(heights) // 2] < least_size:
            return
        wanted = self._most is None or len(self.found) < self._most
        decoded, problem = self._decoded(whole) if wanted else (None, None)
        times = whole[0].seconds, whole[-1].seconds
        seconds = None
        if decoded is not None and len(decoded.clip) == len(whole):
            seconds = tuple(each.seconds for each in whole)
        self.found.append(Person(track, *times, len(whole), decoded, problem, seconds))

    def _decoded(self, whole: Sequence[Sighting]) -> tuple[Decoded | None, ClipError | None]:
        try:
            return self._decode(pack(whole, self._modality)), None
        except ClipError as error:
            return None, error


def _in_clouds(
    data: bytes, limits: Limits, keep: int, most: int | None, style: RangeStyle
) -> list[Person]:
    people = _People(Modality.RANGE_VIEW, limits, keep, most, style)
    try:
        source = CloudArchive(data, limits)
    except LayoutError as error:
        raise UnsupportedFormatError(str(error)) from error
    LidarCapture(source, LidarSettings(keep=keep), people).run()
    return people.found


def _in_pictures(
    data: bytes, limits: Limits, keep: int, tall: int, most: int | None
) -> list[Person]:
    people = _People(Modality.SILHOUETTE, limits, keep, most)
    recording = describe(SentVideo(data, limits))
    settings = CameraSettings(keep=keep, tall=tall, threads=1)
    CameraCapture(recording, settings, *_networks(), people).run()
    return people.found


@cache
def _networks() -> tuple[Detector, Masker]:
    """The networks of this process, loaded once."""
    return networks()
