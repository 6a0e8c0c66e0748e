"""Which clips of a camera and of a LiDAR show the same person: by place and time."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.pairing.calibration import Calibration
from gait.errors import LayoutError, SensorPlacementError

_COMMON = 8
"""Camera frames that two clips must have in common."""

_NEAR = 0.35
"""Heights of the person that a LiDAR's person may lie beside the camera's, on average."""

_CLEARLY = 0.6
"""The best partner must be nearer than the second one by this factor."""


@dataclass(frozen=True, eq=False)
class Seen:
    """A clip, and where its person was.

    Args:
        clip: of `tracks.json`.
        file: the clip file.
        seconds: `(s,)` of its frames, rising.
        boxes: `(s, 4)` pixels, or metres on the ground.
        heights: `(2,)` metres of the person's lowest and highest points; NaN of a camera.
    """

    clip: dict[str, Any]
    file: Path
    seconds: NDArray[np.float64]
    boxes: NDArray[np.float64]
    heights: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pair:
    """A clip of each sensor that show one person.

    Args:
        camera, lidar: the clips.
        apart: heights of the person between where both see them, on average.
    """

    camera: Seen
    lidar: Seen
    apart: float


def read_clips(folder: Path, modality: str) -> list[Seen]:
    """The clips of a capture.

    Raises:
        LayoutError: it is no finished capture of this modality, or a clip of its list is not there.
    """
    try:
        clips = json.loads((folder / "tracks.json").read_bytes())["clips"]
    except (OSError, ValueError, KeyError) as error:
        raise LayoutError(f"{folder} is no finished capture: {error!r}") from error
    if any(clip["modality"] != modality for clip in clips):
        raise LayoutError(f"{folder} holds clips of another sensor, need {modality}")
    missing = [clip["name"] for clip in clips if not (folder / clip["file"]).is_file()]
    if missing:
        raise LayoutError(
            f"{folder} lacks clips that its tracks.json names: {' '.join(missing)}; pair before "
            "folders are renamed or deleted, it is done in the folder of the pairs"
        )
    return [_seen(folder, clip) for clip in clips]


def _seen(folder: Path, clip: dict[str, Any]) -> Seen:
    file = folder / clip["file"]
    heights = np.full(2, np.nan)
    if clip["modality"] == "range_view":
        frames = np.load(file)["frames"]
        heights = np.nanmedian([np.nanmin(frames[..., 2], 1), np.nanmax(frames[..., 2], 1)], axis=1)
    return Seen(clip, file, np.array(clip["seconds"]), np.array(clip["boxes"]), heights)


def pair_clips(camera: list[Seen], lidar: list[Seen], calibration: Calibration) -> list[Pair]:
    """Every clip of the camera with the LiDAR's clip that lies on it, if only one does.

    Raises:
        SensorPlacementError: no clip of the LiDAR is of the time of one of the camera, or none of
            those that are lies on it.
    """
    apart = np.array([[_apart(c, other, calibration) for other in lidar] for c in camera])
    apart = apart.reshape(len(camera), len(lidar))
    pairs = []
    for row, costs in enumerate(apart):
        order = np.argsort(np.nan_to_num(costs, nan=np.inf))
        if not len(order) or not costs[order[0]] < _NEAR:
            continue
        second = costs[order[1]] if len(order) > 1 else np.inf
        if not second * _CLEARLY < costs[order[0]]:
            pairs.append(Pair(camera[row], lidar[order[0]], float(costs[order[0]])))
    if apart.size and not np.isfinite(apart).any():
        raise SensorPlacementError(
            f"no LiDAR track is of the same time as a camera track: the camera's are from "
            f"{_times(camera, calibration.camera_later)} s, the LiDAR's from {_times(lidar)} s; "
            "give the seconds by which the camera's recording began later as camera_later"
        )
    if apart.size and np.nanmin(apart) >= _NEAR:
        raise SensorPlacementError(
            "no LiDAR track lies on a camera track of the same time, the nearest "
            f"{np.nanmin(apart):.1f} heights of a person beside it; check the calibration, and "
            "whether both recordings began at the same moment (camera_later)"
        )
    return pairs


def _times(clips: list[Seen], later: float = 0.0) -> str:
    first = min(float(clip.seconds[0]) for clip in clips)
    last = max(float(clip.seconds[-1]) for clip in clips)
    return f"{first + later:.1f} to {last + later:.1f}"


def _apart(camera: Seen, lidar: Seen, calibration: Calibration) -> float:
    """Heights between both, on average over their common time; NaN if that is too short."""
    at = camera.seconds + calibration.camera_later
    common = (at >= lidar.seconds[0]) & (at <= lidar.seconds[-1])
    if common.sum() < _COMMON:
        return np.nan
    boxes, at = camera.boxes[common], at[common]
    ground = (lidar.boxes[:, :2] + lidar.boxes[:, 2:]) / 2
    middle = np.column_stack(
        [np.interp(at, lidar.seconds, ground[:, axis]) for axis in (0, 1)]
        + [np.full(len(at), lidar.heights.mean())]
    )
    off = calibration.pixels(middle) - (boxes[:, :2] + boxes[:, 2:]) / 2
    tall = boxes[:, 3] - boxes[:, 1]
    away = np.hypot(off[:, 0], off[:, 1]) / tall
    return float(np.mean(np.nan_to_num(away, nan=100.0)))


def people_of(pairs: list[Pair]) -> list[list[Pair]]:
    """Pairs that share a clip, or whose clips of one sensor were joined, are one person."""
    groups = list[list[Pair]]()
    for pair in pairs:
        own = _names(pair)
        joined, others = [pair], []
        for group in groups:
            if any(_names(each) & own for each in group):
                joined = group + joined
            else:
                others.append(group)
        groups = [*others, joined]
    return sorted(groups, key=lambda group: float(group[0].camera.seconds[0]))


def _names(pair: Pair) -> set[tuple[str, str]]:
    """The person of each of its clips, as far as its own recording tells."""
    sides = (("camera", pair.camera.clip), ("lidar", pair.lidar.clip))
    return {(side, str(clip.get("person", clip["name"]))) for side, clip in sides}
