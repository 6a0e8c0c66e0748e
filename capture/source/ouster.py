"""Recordings of an Ouster's packets (pcap) with the metadata file that the sensor gives.

The format of the packets is public. The maker's own package is not used: a part of it is under a
freeware licence, and it needs older versions of other packages than this project does.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.source.packets import udp_payloads
from capture.source.scan import Scan
from gait.errors import CorruptFileError, LayoutError, UnsupportedFormatError

_PROFILES = {
    "LEGACY": (12, "<u4", 0xFFFFF, 1),
    "RNG19_RFL8_SIG16_NIR16": (12, "<u4", 0x7FFFF, 1),
    "RNG19_RFL8_SIG16_NIR16_DUAL": (16, "<u4", 0x7FFFF, 1),
    "RNG15_RFL8_NIR8": (4, "<u2", 0x7FFF, 8),
}
"""Bytes of a pixel, and the type, bits and millimetres of its first range, with which it begins."""

_AROUND = 32
"""Bytes before and after the columns of a packet, of all but the oldest profile."""

_LEAST = 0.5
"""Part of its columns that a turn must have; those at both ends of a recording may have fewer."""


class OusterPcap:
    """The turns of an Ouster.

    Args:
        path: of the pcap.
        metadata: the JSON file of the sensor; the one of the same name beside it if None.

    Raises:
        LayoutError: there is no metadata, or it lacks something.
        UnsupportedFormatError: its packets are of a profile that is not read.
    """

    def __init__(self, path: Path, metadata: Path | None = None) -> None:
        self._path, self.name = path, path.name
        self._sensor = _Sensor(metadata or path.with_suffix(".json"))
        self.count: int | None = None

    def scans(self) -> Iterator[Scan]:
        """The scans, by the sensor's own times.

        Raises:
            CorruptFileError: it is no pcap, or holds no whole turn of this sensor.
        """
        first: int | None = None
        index = 0
        for ranges, stamp in self._turns():
            first = stamp if first is None else first
            yield Scan(index, (stamp - first) / 1e9, self._sensor.points(ranges))
            index += 1
        if not index:
            raise CorruptFileError(
                f"{self.name} holds no whole turn of the Ouster that its metadata describes "
                f"(packets of {self._sensor.packet.itemsize} bytes)"
            )

    def _turns(self) -> Iterator[tuple[NDArray[np.float32], int]]:
        """Ranges `(columns, beams)` in metres, and when the turn began, in nanoseconds."""
        sensor, frame = self._sensor, -1
        ranges, times = sensor.empty()
        for payload in udp_payloads(self._path):
            if len(payload) != sensor.packet.itemsize:
                continue
            packet = np.frombuffer(payload, sensor.packet)[0]
            if packet["frame"] != frame:
                if np.count_nonzero(times) >= _LEAST * len(times):
                    yield ranges, int(times[times > 0].min())
                frame, (ranges, times) = packet["frame"], sensor.empty()
            sensor.read(packet["columns"], ranges, times)
        if np.count_nonzero(times) >= _LEAST * len(times):
            yield ranges, int(times[times > 0].min())


class _Sensor:
    """What the metadata says: how packets lie, and where each beam points."""

    def __init__(self, path: Path) -> None:
        said = _metadata(path)
        try:
            form = said["data_format"]
            self._columns = int(form["columns_per_frame"])
            beams, self.profile = int(form["pixels_per_column"]), said["profile"]
            self.packet = _packet(self.profile, beams, int(form["columns_per_packet"]))
            self._directions, self._offsets = _geometry(said, self._columns)
            if len(said["beam_altitude_angles"]) != beams or self._columns < 1:
                raise ValueError(f"no angles of {self._columns} columns of {beams} beams")
        except (LookupError, TypeError, ValueError, MemoryError) as error:
            raise LayoutError(f"{path} is no whole metadata of an Ouster: {error!r}") from error

    def empty(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Ranges and times of a turn of which nothing is known yet."""
        ranges = np.zeros((self._columns, self._directions.shape[1]), np.float32)
        return ranges, np.zeros(self._columns, np.int64)

    def read(self, columns: Any, ranges: NDArray[np.float32], times: NDArray[np.int64]) -> None:
        """Enters the columns of a packet."""
        _, _, bits, millimetres = _PROFILES[self.profile]
        valid = (columns["status"] & 1 == 1) & (columns["number"] < self._columns)
        at = columns["number"][valid]
        ranges[at] = (columns["pixels"]["range"][valid] & bits) * (millimetres / 1000)
        times[at] = columns["time"][valid].astype(np.int64)

    def points(self, ranges: NDArray[np.float32]) -> NDArray[np.float32]:
        """`(k, 3)` metres of the returns that are there."""
        points = ranges[..., None] * self._directions + self._offsets
        return np.asarray(points[ranges > 0], np.float32)


def _metadata(path: Path) -> dict[str, Any]:
    """The metadata with its parts of different firmwares under one name each."""
    try:
        held = json.loads(path.read_bytes())
        parts = [held.get(name, {}) for name in ("beam_intrinsics", "config_params")]
        said = held | parts[0]
        form = held.get("data_format") or held["lidar_data_format"]
        profile = form.get("udp_profile_lidar") or parts[1].get("udp_profile_lidar") or "LEGACY"
    except OSError as error:
        raise LayoutError(
            f"the pcap of an Ouster needs the sensor's metadata, which is not at {path}; name it "
            "by --metadata"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LayoutError(f"{path} is no metadata of an Ouster: {error!r}") from error
    if str(profile) not in _PROFILES:
        raise UnsupportedFormatError(
            f"got packets of the profile {profile}, need one of {' '.join(_PROFILES)}; set the "
            "sensor to one of them, or convert the recording by the maker's tools"
        )
    return {**said, "data_format": form, "profile": profile}


def _packet(profile: str, beams: int, columns: int) -> np.dtype[Any]:
    """How a packet lies in memory. The oldest profile has its frame's number in each column."""
    size, kind, _, _ = _PROFILES[profile]
    pixel = np.dtype({"names": ["range"], "formats": [kind], "offsets": [0], "itemsize": size})
    legacy = profile == "LEGACY"
    before = 16 if legacy else 12
    column = np.dtype(
        {
            "names": ["time", "number", "status", "pixels"],
            "formats": ["<u8", "<u2", "<u2", (pixel, (beams,))],
            "offsets": [0, 8, before + size * beams if legacy else 10, before],
            "itemsize": before + size * beams + 4 * legacy,
        }
    )
    around = 0 if legacy else _AROUND
    return np.dtype(
        {
            "names": ["frame", "columns"],
            "formats": ["<u2", (column, (columns,))],
            "offsets": [10 if legacy else 2, around],
            "itemsize": 2 * around + columns * column.itemsize,
        }
    )


def _geometry(
    said: dict[str, Any], columns: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`(columns, beams, 3)` directions, and metres that are added to a range along them.

    A beam leaves the sensor beside its axis, and its range is measured from the axis.
    """
    encoder = 2 * np.pi * (1 - np.arange(columns) / columns)[:, None]
    azimuth = encoder - np.radians(said["beam_azimuth_angles"])
    altitude = np.radians(said["beam_altitude_angles"])[None] + 0 * azimuth
    flat = said.get("beam_to_lidar_transform")
    beside = flat[3] if flat else said["lidar_origin_to_beam_origin_mm"]
    above = flat[11] if flat else 0.0
    directions = np.stack(
        [
            np.cos(azimuth) * np.cos(altitude),
            np.sin(azimuth) * np.cos(altitude),
            np.sin(altitude),
        ],
        axis=-1,
    )
    start = np.stack([beside * np.cos(encoder), beside * np.sin(encoder), above + 0 * encoder], -1)
    offsets = (start - np.hypot(beside, above) * directions) / 1000
    return directions.astype(np.float32), offsets.astype(np.float32)
