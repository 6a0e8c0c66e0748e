"""Options of the commands that embed clips; apart from the others, since they load a runtime."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from gait.range_view import Forward
from gait.variant import Variant
from gallery.network.encoder import FRAMES, Encoder
from gallery.network.session import Device

Batch = Annotated[int, arg(metavar="N", help="Clips embedded and made durable together.")]
Axis = Annotated[Forward, arg(help="Sensor axis that points at the walker, for point clouds.")]


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
