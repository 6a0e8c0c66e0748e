"""Pictures of a diagnosis, as SVG (curves, bars) and PNG (points)."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.manifold import TSNE

from bench.ablation.bootstrap import Estimate
from bench.ablation.table import SENSORS
from bench.diagnosis.gaps import Gaps
from gait.metrics import Distance
from gait.modality import Modality
from train.data.dataset_layout import Embedded

SHOWN = 12
"""People in the map of embeddings: more cannot be told apart by colour."""


def draw_gaps(found: Mapping[str, Gaps]) -> bytes:
    """Three curves over t for each run: recovered latents, bridging states, predicted noise."""
    figure = Figure(figsize=(12, 3.4), layout="constrained")
    names = ("recovered latents ẑ₀", "bridging states b", "predicted noise ε̂")
    units = ("standard deviations of z₀", "standard deviations of b", "root mean square")
    panels = figure.subplots(1, 3)
    for index, axes in enumerate(panels):
        for number, (run, gaps) in enumerate(found.items()):
            curve = (gaps.recovered, gaps.bridge, gaps.noise)[index]
            axes.plot(gaps.timesteps, curve, "o-", ms=4, color=f"C{number}", label=run)
            if index == 0:
                curve, label = gaps.recovered_varying, f"{run}, varying"
                axes.plot(gaps.timesteps, curve, "o--", ms=3, color=f"C{number}", label=label)
                axes.axhline(gaps.latent, color=f"C{number}", ls=":", lw=1, label=f"{run}, z₀")
        axes.set(xlabel="timestep t", ylabel=units[index], title=names[index], yscale="log")
        axes.grid(alpha=0.3)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")
    figure.suptitle("Camera against LiDAR, same walks and noise, simulated people")
    return _picture(figure, "svg")


def draw_conditions(found: Mapping[str, Mapping[str, Estimate]], where: str) -> bytes:
    """Bars of Rank-1 for each condition and run, with intervals.

    Args:
        found: by run and condition.
        where: people are looked up, for the title.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.add_subplot()
    conditions = list(next(iter(found.values())))
    width = 0.8 / len(found)
    for number, (run, scores) in enumerate(found.items()):
        places = np.arange(len(conditions)) + (number - (len(found) - 1) / 2) * width
        values = np.array([scores[c].value for c in conditions])
        ends = [
            [scores[c].value - scores[c].low, scores[c].high - scores[c].value] for c in conditions
        ]
        axes.bar(places, values, width, yerr=np.transpose(ends), capsize=2, label=run)
    axes.set_xticks(range(len(conditions)), conditions)
    axes.set(ylabel="Rank-1, %", title=f"{where}, simulated people")
    axes.grid(axis="y", alpha=0.3)
    figure.legend(loc="outside right upper")
    return _picture(figure, "svg")


def draw_people(
    embeddings: Embedded, subjects: NDArray[np.str_], run: str, distance: Distance
) -> bytes:
    """t-SNE of the embeddings of some people: a colour a person, a mark a modality."""
    people = np.unique(subjects)[:SHOWN]
    kept = np.isin(subjects, people)
    vectors = np.concatenate([_flat(e[kept], distance) for e in embeddings.values()])
    places = TSNE(perplexity=min(30, len(vectors) / 4), init="pca", random_state=0)
    points = places.fit_transform(vectors).reshape(len(embeddings), -1, 2)
    figure = Figure(figsize=(11, 5), layout="constrained")
    by_person, by_modality = figure.subplots(1, 2)
    marks = dict(zip(Modality, "ox", strict=True))
    for number, person in enumerate(people):
        own = subjects[kept] == person
        for places_of, modality in zip(points, embeddings, strict=True):
            by_person.scatter(
                *places_of[own].T,
                s=14,
                marker=marks[modality],
                color=f"C{number % 10}",
                alpha=1 if number < 10 else 0.4,
                linewidths=0.8,
            )
    for number, (places_of, modality) in enumerate(zip(points, embeddings, strict=True)):
        by_modality.scatter(*places_of.T, s=10, color=f"C{number}", label=SENSORS[modality])
    by_person.set_title(f"{len(people)} people (o camera, x LiDAR)")
    by_modality.set_title("the same, by sensor")
    by_modality.legend()
    for axes in (by_person, by_modality):
        axes.set(xticks=[], yticks=[])
    title = f"Embeddings of walks by t-SNE, {run}, {distance} distance, simulated test people"
    figure.suptitle(title)
    return _picture(figure, "png")


def _flat(embeddings: NDArray[np.float32], distance: Distance) -> NDArray[np.float32]:
    """Parts laid end to end; by cosine distance of length 1, so that angles alone count."""
    if distance == Distance.COSINE:
        embeddings = embeddings / np.linalg.norm(embeddings, axis=2, keepdims=True)
    flat: NDArray[np.float32] = embeddings.reshape(len(embeddings), -1)
    return flat


def _picture(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    options: dict[str, Any] = {"metadata": {"Date": None}} if kind == "svg" else {"dpi": 90}
    figure.savefig(buffer, format=kind, **options)
    return buffer.getvalue()
