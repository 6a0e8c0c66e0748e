"""A piece of a track as a clip file, with its quality."""

import io
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.track.sighting import Sighting
from gait.decode.clip import decode_clip
from gait.decode.points.axes import CloudSource
from gait.errors import ClipError
from gait.lidar import Axis
from gait.modality import Modality
from gait.quality.quality import Quality, Reason

FACING = CloudSource(forward=Axis.PLUS_X, up=Axis.PLUS_Z)
"""How the clouds of a clip lie, see `facing_x`."""


def masks_of(sightings: Sequence[Sighting]) -> NDArray[np.uint8]:
    """`(s, h, w)` masks of sightings by a camera."""
    read = [
        cv2.imdecode(np.frombuffer(each.shape, np.uint8), cv2.IMREAD_GRAYSCALE)
        for each in sightings
    ]
    return np.stack([np.asarray(mask, np.uint8) for mask in read])


def points_of(sighting: Sighting) -> NDArray[np.float32]:
    """`(k, 3)` points of a sighting by a LiDAR, in metres, the sensor at the origin."""
    return np.frombuffer(sighting.shape, np.float32).reshape(-1, 3)


def pack(sightings: Sequence[Sighting], modality: Modality) -> bytes:
    """The bytes of a `.npz` that `gait.decode` reads: masks, or clouds turned to face the sensor.

    A LiDAR sees all around; in a clip the walker is ahead, see `facing_x`.
    """
    packed = io.BytesIO()
    if modality is Modality.SILHOUETTE:
        np.savez_compressed(packed, frames=masks_of(sightings))
        return packed.getvalue()
    clouds = [points_of(each) for each in sightings]
    turned = facing_x(clouds)
    padded = np.full((len(turned), max(map(len, turned)), 3), np.nan, np.float32)
    for row, cloud in enumerate(turned):
        padded[row, : len(cloud)] = cloud
    np.savez_compressed(packed, frames=padded)
    return packed.getvalue()


def facing_x(clouds: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Each cloud turned about z so that its middle lies along +x.

    A range view is taken from where the sensor stands, so turning about the sensor changes nothing
    that it saw.
    """
    turned = []
    for cloud in clouds:
        x, y = np.median(cloud[:, :2], axis=0)
        away = max(float(np.hypot(x, y)), 1e-6)
        cos, sin = x / away, y / away
        turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], np.float32)
        turned.append(np.asarray(cloud @ turn, np.float32))
    return turned


def quality_of(clip: bytes, modality: Modality) -> Quality:
    """How good a clip file is; of one that cannot be used, the reasons alone."""
    try:
        return decode_clip(clip, modality=modality, source=FACING).quality
    except ClipError as error:
        named = error.fields.get("quality_reasons")
        reasons = named if isinstance(named, list) and named else [str(Reason.NOT_A_PERSON)]
        return Quality({Reason(each): 1.0 for each in reasons})
