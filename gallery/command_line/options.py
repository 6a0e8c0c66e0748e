"""Options that several commands of the gallery have; each command names those it takes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import tyro
from tyro.conf import arg

from gait.range_view import Forward
from gait.variant import Variant
from gallery.network.encoder import FRAMES, Encoder
from gallery.network.session import Device

T = TypeVar("T")

Location = Annotated[str, arg(help="Folder or URL of the gallery.")]
AsJson = Annotated[bool, arg(help="Print the outcome as JSON.")]
Batch = Annotated[int, arg(metavar="N", help="Clips embedded and made durable together.")]
Axis = Annotated[Forward, arg(help="Sensor axis that points at the walker, for point clouds.")]
NewReceipt = Annotated[Path | None, arg(help="Keep the receipts in this new file.")]
PassphraseFile = Annotated[
    Path | None, arg(help="Instead: a file whose first line is a passphrase that both sides know.")
]


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


def parse(arguments: Callable[..., T], command: str) -> T:
    """The arguments of `python -m command`; exits with 2, or after `--help`, as tyro does.

    Options in a group, such as those of `Network`, are written without the group's name.
    """
    config = (tyro.conf.EnumChoicesFromValues, tyro.conf.OmitArgPrefixes)
    return tyro.cli(arguments, prog=f"python -m {command}", config=config)
