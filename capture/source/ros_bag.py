"""Clouds in ROS 1 and ROS 2 bags and in MCAP files, by the package rosbags."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.source.scan import Scan, usable
from gait.errors import (
    ConfigError,
    CorruptFileError,
    GaitError,
    LayoutError,
    MissingExtraError,
)

ENDINGS = (".bag", ".mcap", ".db3")
_CLOUD = "sensor_msgs/msg/PointCloud2"
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
_AXES = ("x", "y", "z")
_METADATA = "metadata.yaml"


class RosBag:
    """The clouds of one topic of a bag.

    Args:
        path: a `.bag`, `.mcap` or `.db3` file, or the folder of a ROS 2 bag.
        topic: which topic; may be left out if only one has clouds.

    Raises:
        LayoutError: no topic has clouds, or several and none was chosen.
        CorruptFileError: the bag cannot be read.
        MissingExtraError: rosbags is not installed.
    """

    def __init__(self, path: Path, topic: str | None = None) -> None:
        self._path, self.name = path, path.name
        topics = self._topics()
        if not topics:
            raise LayoutError(f"{path} has no topic of point clouds ({_CLOUD})")
        if topic is None and len(topics) > 1:
            raise ConfigError(f"{path} has clouds of {' '.join(sorted(topics))}; choose by --topic")
        self._topic = topic or next(iter(topics))
        if self._topic not in topics:
            raise ConfigError(f"{path} has clouds of {' '.join(sorted(topics))}, not of {topic}")
        self.count: int | None = topics[self._topic]
        if not self.count:
            raise LayoutError(f"{path} has no message in {self._topic}")

    def scans(self) -> Iterator[Scan]:
        """The scans by their times of recording; a damaged one is left out, as is all after a cut.

        Raises:
            CorruptFileError: not one of them can be read.
        """
        first, read, damaged = 0, 0, None
        with self._open() as reader:
            connections = [each for each in reader.connections if each.topic == self._topic]
            messages = reader.messages(connections=connections)
            for index in count():
                try:
                    with _named(self.name):
                        message = next(messages, None)
                except CorruptFileError as error:
                    message, damaged = None, error
                if message is None:
                    break
                connection, stamp, data = message
                first = first if index else stamp
                try:
                    with _named(self.name):
                        cloud = reader.deserialize(data, connection.msgtype)
                        points = usable(points_of_message(cloud))
                except CorruptFileError as error:
                    damaged = error
                    continue
                read += 1
                yield Scan(index, (stamp - first) / 1e9, points)
        if damaged is not None and not read:
            raise damaged

    def _topics(self) -> dict[str, int]:
        with self._open() as reader:
            clouds = [each for each in reader.connections if each.msgtype == _CLOUD]
            counts = dict[str, int]()
            for each in clouds:
                counts[each.topic] = counts.get(each.topic, 0) + each.msgcount
            return counts

    @contextmanager
    def _open(self) -> Iterator[Any]:
        try:
            from rosbags.highlevel import AnyReader
            from rosbags.typesys import Stores, get_typestore
        except ImportError as error:
            raise MissingExtraError(
                "bags need the package rosbags: pip install -c constraints.txt '.[lidar]'"
            ) from error
        store = get_typestore(Stores.ROS2_HUMBLE)
        with ExitStack() as stack:
            with _named(self.name):
                reader = stack.enter_context(AnyReader([self._path], default_typestore=store))
            yield reader


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Says of which bag something is that cannot be read."""
    try:
        yield
    except GaitError:
        raise
    except Exception as error:  # rosbags, SQLite, LZ4, zstd, NumPy: each has its own for damage
        reason = str(error) or type(error).__name__
        raise CorruptFileError(f"{name} is no bag that can be read: {reason}") from error


def is_bag(path: Path) -> bool:
    """Whether a path is a bag by its name, or by what is in its folder."""
    return path.suffix in ENDINGS if path.is_file() else (path / _METADATA).is_file()


def points_of_message(cloud: Any) -> NDArray[np.float32]:
    """The `(k, 3)` points of a `sensor_msgs/PointCloud2`.

    Raises:
        CorruptFileError: it has no x, y and z, or fewer bytes than it says.
    """
    fields = {each.name: each for each in cloud.fields}
    if not set(_AXES) <= set(fields):
        raise CorruptFileError(f"got clouds with {' '.join(fields)}, need x, y and z")
    order = ">" if cloud.is_bigendian else "<"
    record = np.dtype(
        {
            "names": list(_AXES),
            "formats": [order + _TYPES[fields[axis].datatype] for axis in _AXES],
            "offsets": [fields[axis].offset for axis in _AXES],
            "itemsize": cloud.point_step,
        }
    )
    count = cloud.width * cloud.height
    data = np.asarray(cloud.data, np.uint8).tobytes()
    if len(data) < count * cloud.point_step:
        raise CorruptFileError("a cloud has fewer bytes than its header says")
    records = np.frombuffer(data, record, count)
    return np.stack([records[axis].astype(np.float32) for axis in _AXES], axis=1)
