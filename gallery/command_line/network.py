"""Options of the commands that embed clips; apart from the others, since they load a runtime."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from gait.decode.points.axes import CloudSource
from gait.lidar import Axis, find_sensor
from gait.variant import Variant
from gallery.network.encoder import FRAMES, Encoder
from gallery.network.session import Device

Batch = Annotated[int, arg(metavar="N", help="Clips embedded and made durable together.")]


@dataclass(frozen=True)
class Points:
    """How point clouds were recorded; what is not said is estimated from them."""

    sensor: Annotated[str | None, arg(metavar="NAME|FILE.yaml")] = None
    """The LiDAR: a name, or a YAML file that describes it."""
    forward: Axis | None = None
    """Axis of the points that points at the walker."""
    up: Axis | None = None
    """Axis of the points that points up; the sensor's, or +z."""

    @property
    def source(self) -> CloudSource:
        """The same for decoding; raises what `find_sensor` does."""
        sensor = None if self.sensor is None else find_sensor(self.sensor)
        return CloudSource(sensor, self.forward, self.up)


@dataclass(frozen=True)
class Network:
    """How clips are embedded."""

    device: Device = Device.AUTO
    """Where the network runs; cuda fails where CUDA cannot be used."""
    variant: Variant | None = None
    """The network's arithmetic; by default the best of the bundle for this hardware."""
    frames: int = FRAMES
    """Frames of a clip to look at, spread evenly over it."""
    threads: int | None = None
    """Threads of the network; by default every core this process may use."""

    def encoder(self, bundle: Path) -> Encoder:
        """The encoder of a bundle with these options; raises what `Encoder.load` does."""
        return Encoder.load(
            bundle,
            device=self.device,
            variant=self.variant,
            threads=self.threads,
            frames=self.frames,
        )
