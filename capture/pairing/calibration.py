"""Where a camera stands to a LiDAR: from a point in metres to a pixel."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import yaml
from annotated_types import Len
from numpy.typing import NDArray
from pydantic import ValidationError

from gait.errors import SensorPlacementError
from gait.frozen import Frozen
from gait.plain_yaml import load_yaml

Row3 = Annotated[list[float], Len(3, 3)]
Row4 = Annotated[list[float], Len(4, 4)]
_KEYS = {
    "camera": ("P2", "P_rect_02", "P0", "P_rect_00"),
    "rectified": ("R0_rect", "R_rect_00"),
    "lidar": ("Tr_velo_to_cam", "Tr_velo_cam", "Tr"),
}
_SAME_TURN = 0.02


class _File(Frozen):
    """Our own YAML.

    Args:
        camera_matrix: `[[fx, 0, cx], [0, fy, cy], [0, 0, 1]]`, pixels.
        lidar_to_camera: 4×4; the camera's axes are x right, y down, z ahead; metres.
        camera_later: seconds by which the camera's recording began after the LiDAR's.
    """

    camera_matrix: Annotated[list[Row3], Len(3, 3)]
    lidar_to_camera: Annotated[list[Row4], Len(4, 4)]
    camera_later: float = 0.0


@dataclass(frozen=True, eq=False)
class Calibration:
    """From the LiDAR's points to the camera's pixels.

    Args:
        projection: `(3, 4)`.
        camera_later: seconds by which the camera's recording began after the LiDAR's.
    """

    projection: NDArray[np.float64]
    camera_later: float = 0.0

    def pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """`(k, 2)` of points `(k, 3)`; NaN for those behind the camera."""
        seen = np.column_stack([points, np.ones(len(points))]) @ self.projection.T
        depth = np.where(seen[:, 2:] > 0.1, seen[:, 2:], np.nan)
        return np.asarray(seen[:, :2] / depth)


def read_calibration(path: Path) -> Calibration:
    """Our YAML, or a text file of KITTI's with `P2`, `R0_rect` and `Tr_velo_to_cam` (or `Tr`).

    Raises:
        SensorPlacementError: there is no such file, or it holds no such placement.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SensorPlacementError(f"{path} cannot be read as a calibration: {error}") from error
    found = _kitti(text) if path.suffix == ".txt" else _own(path, text)
    if not np.isfinite(found.projection).all():
        raise SensorPlacementError(f"{path} holds numbers that are not finite")
    return found


def _own(path: Path, text: str) -> Calibration:
    try:
        file = _File.model_validate(load_yaml(text))
    except (yaml.YAMLError, ValidationError) as error:
        raise SensorPlacementError(
            f"{path} is no calibration, need camera_matrix (3×3) and lidar_to_camera (4×4): {error}"
        ) from error
    placed = np.array(file.lidar_to_camera)
    _require_turn(placed[:3, :3], path.name)
    projection = np.array(file.camera_matrix) @ placed[:3]
    return Calibration(projection, file.camera_later)


def _kitti(text: str) -> Calibration:
    found = dict[str, NDArray[np.float64]]()
    for line in text.splitlines():
        name, _, numbers = line.partition(":")
        try:
            found[name.strip()] = np.array([float(each) for each in numbers.split()])
        except ValueError:
            continue  # dates and names
    camera = _first(found, "camera", 12).reshape(3, 4)
    lidar = np.vstack([_placement(found), [0, 0, 0, 1]])
    rectified = np.eye(4)
    if any(name in found for name in _KEYS["rectified"]):
        rectified[:3, :3] = _first(found, "rectified", 9).reshape(3, 3)
    return Calibration(camera @ rectified @ lidar)


def _placement(found: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    if {"R", "T"} <= set(found) and found["R"].size == 9 and found["T"].size == 3:
        placed = np.column_stack([found["R"].reshape(3, 3), found["T"]])
    else:
        placed = _first(found, "lidar", 12).reshape(3, 4)
    _require_turn(placed[:, :3], "the calibration")
    return placed


def _first(found: dict[str, NDArray[np.float64]], kind: str, numbers: int) -> NDArray[np.float64]:
    for name in _KEYS[kind]:
        if name in found and found[name].size == numbers:
            return found[name]
    raise SensorPlacementError(
        f"the calibration has none of {' '.join(_KEYS[kind])} with {numbers} numbers"
    )


def _require_turn(turn: NDArray[np.float64], name: str) -> None:
    if np.abs(turn @ turn.T - np.eye(3)).max() > _SAME_TURN or np.linalg.det(turn) < 0:
        raise SensorPlacementError(
            f"{name} turns the axes by a matrix that is no rotation; the LiDAR's axes are in "
            "metres, the camera's x right, y down, z ahead"
        )
