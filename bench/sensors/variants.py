"""The sensors that a model is tried on: one thing differs from those side by side at 1 m."""

from dataclasses import dataclass, replace

import numpy as np

from gait.lidar import KNOWN
from gait.modality import Modality
from train.simulate.movement.motion import RATE
from train.simulate.sensors.camera import FOCAL, SOFTNESS
from train.simulate.sensors.lidar import BEAMS, Raster, raster_of
from train.simulate.sensors.mask_faults import MaskFaults
from train.simulate.sensors.rig import PERSON, Rig

GROUND = 1.5
"""Metres about the feet."""

STEP = float(np.radians(0.2))

COARSE_SOFTNESS = 0.6
"""Of cameras whose people are few pixels high. At 16 to 24 rows simulated masks then differ as much
from finer ones as those of a real segmenter do on a real street's pictures made coarser; at 32 and
48 a little less (`bench.sensors.coarse_masks`)."""

ON_A_CAR = 1.73
"""Metres above the ground: from 1 m, a sensor that looks up by 2° sees nobody's head."""


@dataclass(frozen=True, eq=False)
class Variant:
    """One way of seeing the walks.

    Args:
        modality: what it gives.
        rig: the sensors; None where they follow from the distance (`at`).
        rows: height of a person of 1.7 m in the camera's picture where the walk is nearest, pixels;
            the masks are some two rows lower. None as it comes.
        pitch: degrees that the camera looks down at the walker.
        rate: frames a second.
        seconds: of a walk.
    """

    modality: Modality
    rig: Rig = Rig()  # noqa: RUF009  (frozen)
    rows: int | None = None
    pitch: float = 0.0
    rate: float = RATE
    seconds: float = 1.6

    @property
    def frames(self) -> int:
        """Frames of a walk."""
        return max(1, round(self.rate * self.seconds))

    def at(self, distance: float, rng: np.random.Generator) -> Rig:  # noqa: ARG002
        """The sensors for a walker at a distance, metres."""
        focal = FOCAL if self.rows is None else self.rows * distance / PERSON
        if not self.pitch:
            return replace(self.rig, focal=focal)
        down = np.radians(self.pitch)
        height = PERSON / 2 + distance * float(np.tan(down))
        return Rig(focal=focal, camera_height=height, turn=(0.0, float(down), 0.0))


def _every(beam: int, azimuth: int = 1) -> Rig:
    return Rig(Raster(BEAMS, np.arange(0, len(BEAMS), beam), STEP, azimuth))


def _lidar(rig: Rig) -> Variant:
    return Variant(Modality.RANGE_VIEW, rig)


def _camera(rows: int | None = None, **faults: float) -> Variant:
    softness = SOFTNESS if rows is None else COARSE_SOFTNESS
    rig = Rig(softness=softness, faults=MaskFaults(**faults))  # type: ignore[arg-type]
    return Variant(Modality.SILHOUETTE, rig, rows)


_MADE = (
    "ouster-os1-64",
    "hesai-pandar64",
    "hesai-xt32",
    "velodyne-hdl32",
    "velodyne-vlp16",
    "livox-mid360",
)

CLEAN_LIDAR, CLEAN_CAMERA = "128 beams", "camera"

LIDARS: dict[str, Variant] = {
    CLEAN_LIDAR: _lidar(Rig()),
    "64 beams": _lidar(_every(2)),
    "64 beams, half the azimuth": _lidar(_every(2, 2)),
    "32 beams": _lidar(_every(4)),
    "16 beams": _lidar(_every(8)),
    "128 beams, ground": _lidar(Rig(ground=GROUND)),
    "velodyne-hdl64": _lidar(Rig(raster_of(KNOWN["velodyne-hdl64"]), ON_A_CAR)),
    **{name: _lidar(Rig(raster_of(KNOWN[name]))) for name in _MADE},
}
"""Every n-th beam of the same LiDAR, ground left in its points, and other makers' LiDARs."""

PAIRED = tuple(LIDARS)[:6]
"""Those of which each enrols and each probes."""

CAMERAS: dict[str, Variant] = {
    CLEAN_CAMERA: _camera(),
    "64 rows": _camera(64),
    "32 rows": _camera(32),
    "24 rows": _camera(24),
    "16 rows": _camera(16),
    "threshold 0.3": _camera(rows=40, threshold=0.3),
    "threshold 0.7": _camera(rows=40, threshold=0.7),
    "pitch 10°": Variant(Modality.SILHOUETTE, pitch=10),
    "pitch 20°": Variant(Modality.SILHOUETTE, pitch=20),
    "half a cycle": Variant(Modality.SILHOUETTE, seconds=0.5),
    "5 frames a second": Variant(Modality.SILHOUETTE, rate=5),
    "30 frames a second": Variant(Modality.SILHOUETTE, rate=30),
}
"""Smaller pictures, other thresholds at 40 rows, cameras above, shorter and other samplings."""
