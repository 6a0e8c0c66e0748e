"""How much sampled embeddings are like real ones: `python -m bench.sampled_against_real`.

For each pair of sensors, quantiles of the similarity of two clips of one person and of two people,
and Rank-1 when everybody is enrolled with one random clip: of the embedded walks, and of as many
people and clips that were sampled.
"""

import json
from dataclasses import asdict, dataclass
from itertools import product

import numpy as np
import tyro
from numpy.typing import NDArray

from bench.accuracy.embedded_walks import Walks, embedded_walks
from bench.measuring.options import EMBEDDING_CACHE, Bundle, Dataset, EmbeddingCache, Json
from bench.search.sampled_people import Matrix, Population
from gait.cli import run
from gait.modality import Modality
from gallery.command_line.table import table

LEVELS = (0.05, 0.5, 0.95)
DRAWS = 10


@dataclass(frozen=True)
class Likeness:
    """One pair of sensors; similarities at `LEVELS`."""

    kind: str
    probe: Modality
    gallery: Modality
    same: list[float]
    different: list[float]
    rank1: float


def main(
    bundle: Bundle,
    dataset: Dataset,
    cache: EmbeddingCache = EMBEDDING_CACHE,
    as_json: Json = False,
) -> None:
    """Compares sampled embeddings with real ones."""
    walks = embedded_walks(dataset, bundle, cache)
    who = np.unique(walks.subjects, return_inverse=True)[1]
    rows = [
        likeness(kind, embeddings, who, *pair)
        for pair in product(Modality, Modality)
        for kind, embeddings in (("real", walks.whole), ("sampled", sampled(walks, who)))
    ]
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return
    head = ("", "probe", "gallery", "one person", "two people", "Rank-1, %")
    print(table(head, [_cells(row) for row in rows]))


def _cells(row: Likeness) -> tuple[object, ...]:
    alike = (" ".join(f"{value:.3f}" for value in q) for q in (row.same, row.different))
    return row.kind, row.probe, row.gallery, *alike, round(row.rank1, 1)


def sampled(walks: Walks, who: NDArray[np.intp]) -> dict[Modality, Matrix]:
    """As many clips of as many sampled people."""
    population = Population.of(walks)
    own = population.people(int(who.max()) + 1, np.random.default_rng(0))[who]
    places = {modality: np.full(len(who), place) for place, modality in enumerate(Modality)}
    return {m: population.clips(own, place, 1 + int(place[0])).embeddings
            for m, place in places.items()}  # fmt: skip


def likeness(
    kind: str,
    embeddings: dict[Modality, Matrix],
    who: NDArray[np.intp],
    probe: Modality,
    gallery: Modality,
) -> Likeness:
    """What two sensors' clips are to each other."""
    alike = embeddings[probe] @ embeddings[gallery].T
    same = who[:, None] == who[None]
    other = ~np.eye(len(who), dtype=bool)
    return Likeness(
        kind,
        probe,
        gallery,
        np.quantile(alike[same & other], LEVELS).tolist(),
        np.quantile(alike[~same], LEVELS).tolist(),
        100 * float(np.mean([_rank1(alike, who, draw) for draw in range(DRAWS)])),
    )


def _rank1(alike: Matrix, who: NDArray[np.intp], draw: int) -> float:
    """Share of clips that find their person among one random clip of each; not by themselves."""
    rng = np.random.default_rng(draw)
    picked = np.array([rng.choice(np.flatnonzero(who == p)) for p in range(who.max() + 1)])
    probes = np.setdiff1d(np.arange(len(who)), picked)
    return float(np.mean(alike[np.ix_(probes, picked)].argmax(axis=1) == who[probes]))


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m bench.sampled_against_real"))
