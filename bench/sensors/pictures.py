"""The same walks as each sensor shows them, below one another, to be looked at.

python -m bench.sensors.pictures --out sensors.png
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bench.sensors.variants import CAMERAS, LIDARS
from bench.sensors.walks import PROBE, walks
from gait.cli import run
from gait.modality import SIZE, Modality

_PARTS = (0.2, 0.6)
"""Of a walk, where frames are taken."""


@dataclass(frozen=True)
class Arguments:
    """Draws walks of simulated people before LiDARs, or before cameras."""

    out: Path
    """Picture file, .png or .pdf."""
    modality: Modality = Modality.RANGE_VIEW
    people: int = 4
    """How many are drawn, from two sides each."""
    walks: Path = Path("work/sensors")
    """Folder where simulated walks are kept."""


def main() -> None:
    """Draws as the command line says."""
    values = (tyro.conf.EnumChoicesFromValues,)
    arguments = tyro.cli(Arguments, prog="python -m bench.sensors.pictures", config=values)
    draw(arguments).savefig(arguments.out, dpi=100, bbox_inches="tight")
    print(arguments.out)


def draw(arguments: Arguments) -> Figure:
    """One row of frames for each sensor."""
    variants = LIDARS if arguments.modality is Modality.RANGE_VIEW else CAMERAS
    figure = Figure(figsize=(9, 0.5 * len(variants)), layout="constrained")
    places = figure.subplots(len(variants), 1)
    for place, (name, variant) in zip(places, variants.items(), strict=True):
        clips, people, views = walks(variant, name, PROBE, arguments.people, arguments.walks)
        seen = {(who, view): clip for who, view, clip in zip(people, views, clips, strict=True)}
        sides = np.unique(views)[:2]
        tiles = [
            _tile(seen[who, side].frames, part) if (who, side) in seen else _EMPTY
            for who in range(arguments.people)
            for side in sides
            for part in _PARTS
        ]
        place.imshow(np.concatenate(tiles, axis=1), interpolation="nearest", aspect="equal")
        place.set_axis_off()
        place.text(-8, SIZE / 2, name, ha="right", va="center", fontsize=8)
    return figure


_EMPTY = np.zeros((SIZE, SIZE, 3), np.uint8)


def _tile(frames: NDArray[np.uint8], part: float) -> NDArray[np.uint8]:
    frame = frames[int(part * len(frames))]
    return np.broadcast_to(frame.transpose(1, 2, 0), (SIZE, SIZE, 3))


if __name__ == "__main__":
    run(main)
