"""How often strangers are taken for somebody on a run's test people, and what avoiding it costs."""

import html
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gait.metrics import Distance, Parts, distances
from gait.modality import Modality
from gait.open_set import Scores, det, over_people
from train.data.dataset_layout import DatasetLayout, Embedded
from train.data.pack import Record
from train.report.plots import png
from train.report.summary import DIRECTIONS, direction

FPIR = (0.10, 0.01)
"""Rates of false positives that the table shows, as far as there are people."""
BEST = 2
"""Gallery walks whose similarities are averaged: those most like the probe."""
_NOT_COMPARED = -np.inf


class OpenSearch(NamedTuple):
    """Every probe of somebody enrolled twice: searched for among all test people, and as a stranger
    among the others.

    Args:
        whose: `(q,)` person of each probe.
        own: `(q,)` similarity to the probe's own person.
        others: `(q,)` similarity to the most similar other one.
        size: how many others there are.
        distance: what similar means: `1 − d` by cosine distance, `−d` by Euclidean.
    """

    whose: NDArray[np.str_]
    own: Scores
    others: Scores
    size: int
    distance: Distance


def open_searches(
    records: Sequence[Record], embeddings: Embedded, layout: DatasetLayout, distance: Distance
) -> dict[str, OpenSearch]:
    """Searches in every direction that there are embeddings for, by the direction's name.

    A person is as similar as the mean over the most similar gallery walks of another view, where
    the protocol compares views.

    Args:
        records: the test walks.
        embeddings: theirs.
        layout: which of them are enrolled, and which are probes.
        distance: by which they are compared.
    """
    return {
        direction(probe, gallery): _search(records, embeddings, layout, probe, gallery, distance)
        for probe, gallery in DIRECTIONS
        if probe in embeddings and gallery in embeddings
    }


def _search(
    records: Sequence[Record],
    embeddings: Embedded,
    layout: DatasetLayout,
    probe: Modality,
    gallery: Modality,
    distance: Distance,
) -> OpenSearch:
    subjects = np.array([record.subject for record in records])
    enrolled = np.flatnonzero([layout.in_gallery(record) for record in records])
    people = np.unique(subjects[enrolled])
    looked_up = [layout.is_probe(record) for record in records]
    probes = np.flatnonzero(looked_up & np.isin(subjects, people))
    sides = Parts.of(embeddings[probe][probes]), Parts.of(embeddings[gallery][enrolled])
    far = distances(*sides)[distance].astype(float)
    similar = 1 - far if distance == Distance.COSINE else -far
    least = -1.0 if distance == Distance.COSINE else similar.min()
    views = np.array([record.view for record in records])
    if layout.one_view:
        similar[views[probes][:, np.newaxis] == views[enrolled]] = _NOT_COMPARED
    each = [similar[:, subjects[enrolled] == person] for person in people]
    found = np.stack([_mean_of_best(rows, least) for rows in each], axis=1)
    mated = subjects[probes][:, np.newaxis] == people
    own = np.where(mated, found, least).max(axis=1)
    others = np.where(mated, least, found).max(axis=1)
    return OpenSearch(subjects[probes], own, others, len(people) - 1, distance)


def _mean_of_best(similar: Scores, least: float) -> Scores:
    best = np.sort(similar, axis=1)[:, -BEST:]
    compared = best > _NOT_COMPARED
    count = compared.sum(axis=1)
    total = np.where(compared, best, 0).sum(axis=1)
    return np.where(count, total / np.maximum(count, 1), least)


def open_set_html(searches: dict[str, OpenSearch]) -> str:
    """FNIR at fixed FPIR, with intervals over people, as an HTML table."""
    head = "".join(f"<th>FNIR % at FPIR {rate:.0%}</th>" for rate in FPIR)
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{one.size}</td>"
        + "".join(f"<td>{_cell(one, rate)}</td>" for rate in FPIR)
        + "</tr>"
        for name, one in searches.items()
    )
    return f"<table><tr><th></th><th>N</th>{head}</tr>{rows}</table>"


def _cell(one: OpenSearch, rate: float) -> str:
    if rate * len(np.unique(one.whose)) < 1:
        return f"<small>takes {1 / rate:.0f} people</small>"
    value, low, high = (100 * v for v in missed(one, rate))
    return f"{value:.1f} <small>[{low:.1f}, {high:.1f}]</small>"


def missed(one: OpenSearch, rate: float) -> tuple[float, float, float]:
    """FNIR at rank 1, at the threshold that these very strangers exceed at a rate; with interval.

    Args:
        one: searches.
        rate: FPIR.

    Returns:
        Share and ends of its 95 % interval over people.
    """
    threshold = np.quantile(one.others, 1 - rate, method="higher")
    found = (one.own > one.others) & (one.own > threshold)
    return over_people(~found, one.whose)


def draw_open_set(searches: dict[str, OpenSearch]) -> bytes:
    """FNIR against FPIR, and a histogram of similarities for each direction, as a PNG picture."""
    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    for name, one in searches.items():
        ranks = np.where(one.own > one.others, 1, 2)
        _, positive, negative = det(one.others, one.own, ranks)
        shown = positive > 0
        axes[0].plot(100 * positive[shown], 100 * negative[shown], label=name)
    axes[0].set(xscale="log", xlabel="FPIR, %", ylabel="FNIR, %", title="detection error trade-off")
    axes[0].legend(fontsize=7)
    for axis, (name, one) in zip(axes[1:], searches.items(), strict=False):
        for values, label in ((one.others, "most similar stranger"), (one.own, "own person")):
            axis.hist(values, 40, density=True, histtype="step", label=label)
        axis.set(title=name, xlabel=_similarity(one.distance))
    axes[1].legend(fontsize=7)
    for axis in axes[1 + len(searches) :]:
        axis.set_axis_off()
    return png(figure)


def _similarity(distance: Distance) -> str:
    sign = "1 −" if distance == Distance.COSINE else "−"
    return f"similarity: {sign} {distance} distance"
