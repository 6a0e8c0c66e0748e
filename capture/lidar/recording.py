"""What kind of LiDAR recording a path is."""

from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from capture.source import cloud_folder, ros_bag, velodyne
from capture.source.cloud_folder import CloudFolder, is_cloud_folder
from capture.source.ouster import OusterPcap
from capture.source.ros_bag import RosBag, is_bag
from capture.source.scan import ScanSource, Turned
from capture.source.velodyne import VelodynePcap
from gait.errors import UnsupportedFormatError
from gait.frozen import Frozen
from gait.lidar import Axis

_SINGLE = tuple(ending for ending in cloud_folder.ENDINGS if ending != ".npy")


class LidarFormat(Frozen):
    """What some recordings do not say themselves.

    Args:
        topic: of a bag that has clouds in several.
        columns: numbers of each point of `.bin` files, of which the first three are x, y and z.
        model: of a Velodyne, such as `VLP16`.
        metadata: JSON file of an Ouster; may be left out if it has the name of its pcap.
        up: the axis of the points that points up.
    """

    topic: str | None = None
    columns: Annotated[int, Ge(3)] | None = None
    model: str | None = None
    metadata: Path | None = None
    up: Axis = Axis.PLUS_Z


def open_lidar(path: Path, said: LidarFormat) -> ScanSource | None:
    """The LiDAR recording at a path; None if it is none.

    Raises:
        DataError, DecodeError, CaptureError: it is one, but cannot be read.
    """
    source = _open(path, said)
    if source is None or said.up is Axis.PLUS_Z:
        return source
    return Turned(source, said.up)


def metadata_of(path: Path, said: LidarFormat) -> Path | None:
    """The JSON file of an Ouster's packets; None of any other recording."""
    if path.suffix not in velodyne.ENDINGS:
        return None
    beside = path.with_suffix(".json")
    return said.metadata or (beside if beside.is_file() else None)


def _open(path: Path, said: LidarFormat) -> ScanSource | None:
    if path.is_dir():
        if is_bag(path):
            return RosBag(path, said.topic)
        return CloudFolder(path, said.columns) if is_cloud_folder(path) else None
    if path.suffix in ros_bag.ENDINGS:
        return RosBag(path, said.topic)
    if path.suffix == ".osf":
        raise UnsupportedFormatError(
            f"{path} is an Ouster's .osf, need its .pcap and .json: ouster-cli source {path.name} "
            f"save {path.stem}.pcap"
        )
    if path.suffix in velodyne.ENDINGS:
        if (metadata := metadata_of(path, said)) is not None:
            return OusterPcap(path, metadata)
        return VelodynePcap(path, said.model)
    if path.suffix in _SINGLE:
        raise UnsupportedFormatError(f"{path} is a single cloud, need a folder of them")
    return None
