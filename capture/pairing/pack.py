"""Paired clips as a dataset in SUSTech1K's layout, which `train.pack` reads."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture.pairing.pairing import Pair
from gait.range_view import Forward, project
from gait.silhouette import align
from gait.sustech1k import write_sequence

_SAME_MOMENT = 0.06
"""Seconds between the camera's frame and the LiDAR's that are taken for one moment."""

_VIEW = "000"


def write_people(people: list[list[Pair]], later: float, out: Path, least: int) -> int:
    """Writes every pair as a sequence: `0000/00-nm/000`, `0000/01-nm/000`, …

    Args:
        people: pairs of each person.
        later: seconds by which the camera's recording began after the LiDAR's.
        out: the dataset.
        least: frames that a sequence must have in both modalities.

    Returns:
        Sequences written.
    """
    written = 0
    for number, pairs in enumerate(people):
        walk = 0
        for pair in pairs:
            walk += _write(pair, f"{number:04d}", f"{walk:02d}-nm", later, out, least)
        written += walk
    return written


def _write(pair: Pair, subject: str, kind: str, later: float, out: Path, least: int) -> bool:
    camera, lidar = same_moments(pair.camera.seconds + later, pair.lidar.seconds)
    if len(camera) < least:
        return False
    masks = np.load(pair.camera.file)["frames"][camera]
    clouds = [_without_padding(each) for each in np.load(pair.lidar.file)["frames"][lidar]]
    silhouettes, views = align(masks), project(clouds, Forward.PLUS_X)
    both = np.intersect1d(silhouettes.kept, views.kept)
    if len(both) < least:
        return False
    write_sequence(
        out,
        subject,
        kind,
        _VIEW,
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
