"""The pixel baseline: how far mean pictures and nearest neighbours go, without any learning.

python -m train.baseline PACK
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from numpy.typing import NDArray

from gait.cli import run
from gait.clip import Frames
from gait.errors import PackError
from gait.modality import SIZE, Modality
from gait.progress import progress
from train.data.dataset_layout import GalleryRule
from train.data.pack import Pack, Record
from train.protocols.result import ProtocolResult
from train.report.results import score
from train.storage import require_place, write_atomically

STRIPS = 16
"""Horizontal strips, each one part of the embedding."""


def mean_occupancy(frames: Frames, modality: Modality) -> NDArray[np.float32]:
    """How much of the time each pixel shows the person: what both modalities have in common.

    A silhouette's pixel counts by its value over 255, a range view's fully when it is not black.

    Args:
        frames: uint8 `(s, c, 64, 64)`.
        modality: what they show.

    Returns:
        `(16, 256)` float32 in 0..1: 16 strips of 4 rows, top first.
    """
    silhouette = modality == Modality.SILHOUETTE
    shown = frames[:, 0] if silhouette else frames.any(axis=1) * np.uint8(255)
    mean = np.asarray(shown.mean(axis=0), np.float32) / np.float32(255)
    return mean.reshape(STRIPS, SIZE * SIZE // STRIPS)


def evaluate_pixels(
    pack: Pack,
    *,
    gallery: GalleryRule = "list",
    bootstrap: int = 1000,
    seed: int = 0,
) -> ProtocolResult:
    """Scores mean occupancy on a pack's test subjects under its layout's protocol.

    Args:
        pack: an opened pack.
        gallery: FreeGait only: the listed gallery, or all that are no probe.
        bootstrap: resamples of people.
        seed: of the resamples.

    Raises:
        PackError: no test sequence.
        EvaluationError: as the protocols.
    """
    records = [pack.records[index] for index in pack.of_split("test")]
    if not records:
        raise PackError(f"{pack.path} has no test sequences, need some to evaluate")
    embeddings = {m: _embeddings(pack, records, m) for m in pack.modalities}
    return score(pack, records, embeddings, bootstrap=bootstrap, seed=seed, gallery=gallery)


def _embeddings(pack: Pack, records: list[Record], modality: Modality) -> NDArray[np.float32]:
    with progress() as bar:
        task = bar.add_task("mean pictures", total=len(records), note=modality)
        found = []
        for record in records:
            found.append(mean_occupancy(pack.frames(record, modality), modality))
            bar.advance(task)
    return np.stack(found)


def main(
    pack: tyro.conf.Positional[Path],
    gallery: GalleryRule = "list",
    views: bool = False,
    bootstrap: int = 1000,
    seed: int = 0,
    out: Path | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Scores the pixel baseline on a pack's test subjects.

    Args:
        pack: made by `python -m train.pack`.
        gallery: FreeGait only: the listed gallery, or all that are no probe.
        views: also a line for each probe view.
        bootstrap: resamples of people.
        seed: of the resamples.
        out: write the JSON here, with the resamples a paired comparison needs.
        as_json: print JSON instead of tables.
    """
    require_place(out)
    result = evaluate_pixels(Pack.open(pack), gallery=gallery, bootstrap=bootstrap, seed=seed)
    if out is not None:
        write_atomically(out, result.to_json(resamples=True).encode())
    print(result.to_json() if as_json else result.table(views=views))


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m train.baseline"))
