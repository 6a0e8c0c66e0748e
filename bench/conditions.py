"""What a bundle finds in all conditions and views of a pack's test people.

python -m bench.conditions --bundle bundle --pack pack --out conditions.json

It is scored by the protocol of the pack, in all directions, with 95 % intervals over people, as
`train.evaluate` scores a checkpoint. The bundle's own network does it, with the frames that the
service would look at.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from bench.measuring.options import Bundle, Json, OutFile
from export.variants.calibration import require_drawn
from gait.cli import run
from gait.clip import Clip, Frames
from gait.errors import PackError
from gait.modality import Modality
from gait.progress import progress
from gait.variant import Variant
from gallery.network.encoder import Encoder
from train.data.dataset_layout import Embedded, Scoring
from train.data.pack import Pack, Record
from train.dataset_layouts import layout_named
from train.storage import write_atomically

AT_ONCE = 64
"""Walks whose frames are held at a time."""


@dataclass(frozen=True)
class Arguments:
    """Scores a bundle on people of a pack."""

    bundle: Bundle
    pack: Annotated[Path, tyro.conf.arg(help="Pack of train.pack; its test people are taken.")]
    variant: Variant | None = None
    """Of the bundle's networks; the one that the service takes on this machine if not given."""
    out: OutFile = None
    json: Json = False


def main() -> None:
    """Measures as the command line says."""
    values = (tyro.conf.EnumChoicesFromValues,)
    arguments = tyro.cli(Arguments, prog="python -m bench.conditions", config=values)
    pack = Pack.open(arguments.pack)
    records = [record for record in pack.records if record.split == "test"]
    if not records:
        raise PackError(f"{pack.path} has no test people to measure on")
    encoder = Encoder.load(arguments.bundle, variant=arguments.variant)
    require_drawn(pack.path, pack.range_style, encoder.range_style)
    found = layout_named(pack.layout).score(
        embedded(encoder, pack, records), records, Scoring(simulated=pack.simulated)
    )
    text = found.to_json()
    if arguments.out is not None:
        write_atomically(arguments.out, text.encode())
    print(text if arguments.json else found.table())


def embedded(encoder: Encoder, pack: Pack, records: list[Record]) -> Embedded:
    """`(n, 1, d)` of each modality that the pack has."""
    found = {}
    with progress() as bar:
        task = bar.add_task("embedding", total=len(records) * len(pack.modalities), note="")
        for modality in pack.modalities:
            frames, rows = pack.store(modality), []
            for first in range(0, len(records), AT_ONCE):
                some = records[first : first + AT_ONCE]
                clips = [_clip(frames[r.start : r.start + r.length], modality) for r in some]
                rows.append(encoder.embed(clips))
                bar.advance(task, len(some))
            found[modality] = np.concatenate(rows)[:, np.newaxis]
    return found


def _clip(frames: Frames, modality: Modality) -> Clip:
    return Clip(np.ascontiguousarray(frames), modality)


if __name__ == "__main__":
    run(main)
