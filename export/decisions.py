"""What the similarities of a model mean, learned at export from people it was not trained on."""

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from export.checks.accuracy import TestWalks
from export.variants.candidates import Graphs
from gait.errors import CalibrationError
from gait.modality import Modality
from gallery.decision.calibration import Calibration
from gallery.decision.fitting import LabelledClips, calibrate
from gallery.search.cohort import NEAREST, Cohort
from train.data.pack import Pack
from train.embed import Embeddings

COHORT_NUMBERS = 128_000
"""Numbers of a cohort at most, for one modality: 250 people of 512 numbers, 3,200 of 40. The more
people, the fewer are missed (results/trials.md)."""
COHORT_PEOPLE = 250
"""People of a cohort at most, where that is more."""
COHORT_WALKS = 4
"""Walks of each of them at most, whose mean embedding is kept."""


MadeCohort = tuple[Cohort, bytes]
"""A cohort and the file to keep it in."""

Means = dict[Modality, NDArray[np.float32]]


def calibrated(
    walks: TestWalks, fp32: Embeddings, contract: str, cohort: Cohort | None = None
) -> Calibration | None:
    """The calibration of a bundle, from walks of people whom the network was not trained on.

    Args:
        walks: of the people.
        fp32: their embeddings by the fp32 graphs, `(n, p, d)` of unit norm in each part.
        contract: of the bundle.
        cohort: of the bundle, that normalises similarities.

    Returns:
        None where the people are too few, or have one walk each.
    """
    records, pack = walks.records, walks.pack
    clips = LabelledClips(
        np.array(2 * [record.subject for record in records]),
        np.array(2 * [record.type for record in records]),
        np.repeat([str(modality) for modality in Modality], len(records)),
        np.concatenate([_flat(each) for each in fp32]),
    )
    try:
        return calibrate(
            clips,
            contract=contract,
            simulated=pack.simulated,
            data=f"{pack.path.name}, test people",
            cohort=cohort,
        )
    except CalibrationError:
        return None


def cohort_of(packs: Sequence[Pack], graphs: Graphs, dimension: int) -> MadeCohort | None:
    """The people who normalise similarities: the training subjects of packs.

    Args:
        packs: whose people they are.
        graphs: that embed them.
        dimension: of an embedding.

    Returns:
        The cohort and its file; None where there are too few such people.
    """
    left, means = max(COHORT_PEOPLE, COHORT_NUMBERS // dimension), list[Means]()
    for pack in packs:
        walks = TestWalks(pack, []).of_trained(left, COHORT_WALKS)
        if walks.records:
            means.append({m: _means(walks, graph, m) for m, graph in graphs.items()})
            left -= len(means[-1][Modality.SILHOUETTE])
    people = {m: np.concatenate([some[m] for some in means]) for m in graphs if means}
    if not people or len(people[Modality.SILHOUETTE]) < 2 * NEAREST:
        return None
    return Cohort.of(people)


def _flat(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Embeddings `(n, p, d)` as a gallery has them: laid flat and of unit norm."""
    flat: NDArray[np.float32] = embeddings.reshape(len(embeddings), -1)
    return flat / np.float32(np.sqrt(embeddings.shape[1]))


def _means(walks: TestWalks, graph: onnx.ModelProto, modality: Modality) -> NDArray[np.float32]:
    """Mean embedding of each person."""
    names = [record.subject for record in walks.records]
    people = sorted(set(names))
    embeddings = _flat(walks.by_graph(graph.SerializeToString(), modality))
    whose = np.searchsorted(people, names)
    return np.stack([embeddings[whose == number].mean(axis=0) for number in range(len(people))])
