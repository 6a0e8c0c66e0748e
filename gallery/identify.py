"""Command: who walks in this clip?

python -m gallery.identify --gallery gallery clip.npz
"""

import json
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro

from gait.cli import run
from gait.decode import Decoded
from gait.modality import Modality
from gait.range_view import Forward
from gallery.encoder import Encoder
from gallery.fusion import DEFAULT, Fusion
from gallery.gallery import open_gallery
from gallery.session import Device
from gallery.sources import decode_file
from gallery.table import table
from gallery.template import Candidate


@dataclass(frozen=True)
class Arguments:
    """Lists the enrolled people most like the one in a clip."""

    clip: Annotated[Path, tyro.conf.Positional]
    """A clip file: arrays, zip of pictures or point clouds, or a silhouette video."""
    gallery: str
    """Folder of the gallery."""
    top_k: int = 5
    """People to list."""
    modality: Modality | None = None
    """What the clip shows; found in its content by default."""
    gallery_modality: Modality | None = None
    """Compare with templates of this modality only."""
    fusion: Fusion = DEFAULT
    """How the similarities of a person's templates become the person's."""
    forward: Forward = Forward.PLUS_X
    """Sensor axis that points at the walker, for point clouds."""
    device: Device = Device.AUTO
    """Where the network runs; cuda fails where CUDA cannot be used."""
    threads: int | None = None
    """Threads of the network; by default every core this process may use."""
    json: bool = False
    """Print JSON."""


def main() -> None:
    """Identifies as the command line says."""
    arguments = tyro.cli(
        Arguments, prog="python -m gallery.identify", config=(tyro.conf.EnumChoicesFromValues,)
    )
    decoded = decode_file(arguments.clip, arguments.modality, arguments.forward)
    with closing(open_gallery(arguments.gallery, readonly=True)) as gallery:
        encoder = Encoder.load(gallery.bundle, device=arguments.device, threads=arguments.threads)
        (embedding,) = encoder.embed([decoded.clip])
        candidates = gallery.identify(
            embedding, arguments.top_k, arguments.gallery_modality, fusion=arguments.fusion
        )
        facts = {
            "gallery": str(arguments.gallery),
            "contract": gallery.contract,
            "revision": gallery.revision,
            "provider": encoder.provider,
            "fusion": arguments.fusion,
            "modality": decoded.clip.modality,
            "format": decoded.format,
            "frames_in": decoded.frames_in,
            "frames_used": decoded.frames_used,
            "dropped": decoded.dropped,
        }
    if arguments.json:
        print(json.dumps(facts | {"candidates": [asdict(c) for c in candidates]}))
    else:
        print(_table(decoded, candidates))


def _table(decoded: Decoded, candidates: list[Candidate]) -> str:
    head = ("rank", "subject", "similarity", "modality", "template", "source")
    rows = [
        (rank, c.subject, f"{c.similarity:.4f}", str(c.modality), c.template, c.source)
        for rank, c in enumerate(candidates, start=1)
    ]
    used = f"{decoded.frames_used} of {decoded.frames_in} frames, {decoded.format}"
    return f"{decoded.clip.modality} clip, {used}\n{table(head, rows)}"


if __name__ == "__main__":
    run(main)
