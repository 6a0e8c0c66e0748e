"""Measures what walkers look like: python -m train.simulate.measure_shapes WALKERS [WALKERS …]

The table is what a clip's quality tells people from other shapes by. It holds means, principal
components and two linear rules, no clip. WALKERS are datasets of `train.simulate`.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray

from gait.cli import run
from gait.errors import ClipEmptyError
from gait.modality import Modality
from gait.quality.judge import lit_of
from gait.quality.shape import TABLE, Shapes, mean_picture, rows_of, save_shapes
from gait.sustech1k import find_sequences, load_clip
from train.simulate.other_shapes import other_shapes

SHORT = 10
"""Frames of the shorter clip that each sequence gives beside the whole."""


def main(
    walkers: tyro.conf.Positional[tuple[Path, ...]], out: Path = TABLE, others: int = 400
) -> None:
    """Measures the walkers of simulated datasets, both modalities together.

    Args:
        walkers: folders of datasets.
        out: the table to write.
        others: clips of each kind of other shape to tell people from.
    """
    people = np.stack([picture for root in walkers for picture in _pictures(root)])
    shapes = np.stack([mean_picture(clip) for clip in other_shapes(others)])
    save_shapes(Shapes.measured(rows_of(people), rows_of(shapes)), out)
    print(f"{out}: {len(people)} pictures of people, {len(shapes)} of other shapes")


def _pictures(root: Path) -> Iterator[NDArray[np.float32]]:
    """Mean pictures of every clip of at least ten frames, and of ten frames of it."""
    for sequence in find_sequences(root):
        for modality in Modality:
            try:
                clip = load_clip(sequence, modality)
            except ClipEmptyError:
                continue
            if len(clip) >= SHORT:
                lit = lit_of(clip)
                start = (len(clip) - SHORT) // 2
                yield mean_picture(lit)
                yield mean_picture(lit[start : start + SHORT])


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m train.simulate.measure_shapes", description=__doc__))
