"""Scores of a comparison for any weighting of the people: of all of them, or of each alone."""

import numpy as np
from numpy.typing import NDArray

from train.protocols.outcomes import Lookup
from train.protocols.resample import Tally, scores
from train.protocols.sustech1k import Comparison


def weighted_scores(
    found: Comparison, way: Lookup, weights: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """The protocol's scores over all views, condition by condition.

    With weights of ones: the protocol's score.

    Args:
        found: what happened to every probe.
        way: whose probes, whose gallery, which distance.
        weights: `(b, people)`.

    Returns:
        Condition that has probes → `(b, metrics)` percent; NaN where no weight is on a probe.
    """
    layout = found.layout
    shape = len(layout.view_names), layout.people
    result = {}
    for probe_set in found.sets:
        members = probe_set.members
        if members.any():
            tally = Tally.of(
                found.values[way][members],
                layout.probe_views[members],
                layout.probe.subjects[members],
                shape,
            )
            result[probe_set.name] = scores(tally, weights, layout.usable)[:, -1]
    return result


def scores_alone(found: Comparison, way: Lookup) -> dict[str, NDArray[np.float64]]:
    """Each person's own scores, as if nobody else had been looked up in the gallery of all.

    Where everybody has equally many probes in every view, their mean is the protocol's score.

    Args:
        found: what happened to every probe.
        way: whose probes, whose gallery, which distance.

    Returns:
        Condition that has probes → `(people, metrics)` percent; NaN for people without a probe.
    """
    return weighted_scores(found, way, np.eye(found.layout.people))
