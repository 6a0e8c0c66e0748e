"""Paired clips as a dataset in SUSTech1K's layout, which `train.pack` reads."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture.pairing.pairing import Pair
from gait.dataset import record_style
from gait.range_style import RangeStyle
from gait.range_view import Forward, project
from gait.silhouette import align
from gait.sustech1k import write_sequence

_SAME_MOMENT = 0.06
"""Seconds between the camera's frame and the LiDAR's that are taken for one moment."""

PARTITION = "partition.json"
"""Who is for training and who for testing, in the dataset's folder, for `train.pack`."""

_TRAIN, _TEST = 0.75, 2
"""Share of the people who are for training, and people who should be left for testing."""


def write_people(people: dict[str, list[Pair]], later: float, out: Path, least: int) -> int:
    """Writes every pair as a sequence: `<name>/00-nm/<view>`, `<name>/01-nm/<view>`, …

    `partition.json` beside them puts three quarters of the people into TRAIN_SET; the others, two
    at least, are for testing: those seen from most sides.

    Args:
        people: pairs of each person, by name.
        later: seconds by which the camera's recording began after the LiDAR's.
        out: the dataset.
        least: frames that a sequence must have in both modalities.

    Returns:
        Sequences written.
    """
    views = dict[str, list[str]]()
    for name, pairs in people.items():
        for pair in pairs:
            own = views.get(name, [])
            view = view_of(pair.lidar.boxes)
            if _write(pair, (name, f"{len(own):02d}-nm", view), later, out, least):
                views[name] = [*own, view]
    names = sorted(views, key=lambda name: (len({*views[name]}), name))
    train = max(1, min(round(_TRAIN * len(names)), len(names) - _TEST))
    out.mkdir(parents=True, exist_ok=True)
    partition = {"TRAIN_SET": sorted(names[:train]), "TEST_SET": sorted(names[train:])}
    (out / PARTITION).write_text(json.dumps(partition, indent=1))
    record_style(out, RangeStyle.BINS)
    return sum(map(len, views.values()))


def view_of(boxes: NDArray[np.float64]) -> str:
    """From which side a LiDAR sees somebody walk, as SUSTech1K names it, in steps of 45°.

    `000` walks towards the sensor, `090` to the left of the picture, `180` away, `270` to the
    right.

    Args:
        boxes: `(s, 4)` metres on the ground, the sensor at the origin.
    """
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    (x, y), (ahead, aside) = middles.mean(axis=0), middles[-1] - middles[0]
    turned = np.arctan2(aside, ahead) - np.arctan2(y, x)
    return f"{round((180 - float(np.degrees(turned))) / 45) % 8 * 45:03d}"


def _write(pair: Pair, name: tuple[str, str, str], later: float, out: Path, least: int) -> bool:
    camera, lidar = same_moments(pair.camera.seconds + later, pair.lidar.seconds)
    if len(camera) < least:
        return False
    masks = np.load(pair.camera.file)["frames"][camera]
    clouds = [_without_padding(each) for each in np.load(pair.lidar.file)["frames"][lidar]]
    silhouettes = align(masks)
    views = project(clouds, Forward.PLUS_X, whole_beams=True, style=RangeStyle.BINS)  # as served
    both = np.intersect1d(silhouettes.kept, views.kept)
    if len(both) < least:
        return False
    write_sequence(
        out,
        *name,
        silhouettes=silhouettes.frames[np.isin(silhouettes.kept, both), 0],
        range_views=views.frames[np.isin(views.kept, both)],
        points=[clouds[row] * np.array([-1.0, -1.0, 1.0]) for row in both],
    )
    return True


def same_moments(
    camera: NDArray[np.float64], lidar: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of both that were taken at the same moment, each once."""
    nearest = np.abs(camera[:, None] - lidar[None]).argmin(axis=0)
    near = np.abs(camera[nearest] - lidar) <= _SAME_MOMENT
    rows, columns = nearest[near], np.flatnonzero(near)
    first = np.unique(rows, return_index=True)[1]
    return rows[first], columns[first]


def _without_padding(cloud: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(cloud[np.isfinite(cloud).all(axis=1)], np.float64)
