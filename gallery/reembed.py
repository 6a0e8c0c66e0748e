"""Command: a gallery for a new model, out of the clips that were enrolled in the old one.

python -m gallery.reembed --gallery gallery --bundle new --clips data/clips --out gallery-new
"""

import json
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro

from gait.cli import run
from gait.errors import ConfigError
from gait.progress import progress
from gait.range_view import Forward
from gait.variant import Variant
from gallery.enrolment.reembedding import Remade, reembed
from gallery.enrolment.sources import Selection, find_sources
from gallery.gallery import open_gallery, open_or_create
from gallery.network.encoder import FRAMES, Encoder
from gallery.network.session import Device


@dataclass(frozen=True)
class Arguments:
    """Embeds a gallery's clips with another model. Run again, it goes on where it was cut short."""

    gallery: str
    """Folder or URL of the gallery; it is only read."""
    bundle: Path
    """Model bundle to embed with."""
    clips: Path
    """Where the clips are: what gallery.build was given, or anything with the same clips in it."""
    out: str
    """Folder or URL of the new gallery."""
    forward: Forward = Forward.PLUS_X
    """Sensor axis that points at the walker, for files of point clouds."""
    batch: Annotated[int, tyro.conf.arg(metavar="N")] = 32
    """Clips embedded and made durable together."""
    device: Device = Device.AUTO
    """Where the network runs; cuda fails where CUDA cannot be used."""
    variant: Variant | None = None
    """The network's arithmetic; by default the best of the bundle for this hardware."""
    frames: int = FRAMES
    """Frames of a clip to look at, spread evenly over it."""
    threads: int | None = None
    """Threads of the network; by default every core this process may use."""
    json: bool = False
    """Print the outcome as JSON."""


def main() -> None:
    """Embeds again as the command line says."""
    arguments = tyro.cli(
        Arguments, prog="python -m gallery.reembed", config=(tyro.conf.EnumChoicesFromValues,)
    )
    if arguments.gallery == arguments.out:
        raise ConfigError("the new gallery must be another than the old one")
    sources = find_sources(arguments.clips, Selection(forward=arguments.forward))
    encoder = Encoder.load(
        arguments.bundle,
        device=arguments.device,
        variant=arguments.variant,
        threads=arguments.threads,
        frames=arguments.frames,
    )
    with (
        closing(open_gallery(arguments.gallery, readonly=True)) as old,
        closing(open_or_create(arguments.out, arguments.bundle)) as new,
        progress() as bar,
    ):
        task = bar.add_task("embed", total=len(sources), note=encoder.provider)
        remade = reembed(
            old,
            new,
            encoder,
            sources,
            batch=arguments.batch,
            advance=lambda n: bar.advance(task, n),
        )
    if arguments.json:
        print(json.dumps({"gallery": arguments.out} | asdict(remade)))
    else:
        print(_summary(arguments.out, remade))


def _summary(out: str, remade: Remade) -> str:
    lines = [f"unread    {r.source}  [{r.code}] {r.reason}" for r in remade.rejected]
    lines += [f"missing   template {m.template} of {m.subject}, {m.source}" for m in remade.missing]
    lines.append(f"gallery   {out}")
    lines.append(
        f"templates {remade.enrolled} enrolled, {remade.present} there already, "
        f"{len(remade.missing)} without a clip, {remade.expired} expired left out"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
