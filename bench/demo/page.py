"""The page of pictures of an end-to-end run: what was sent, and who was found for it."""

import html
from collections.abc import Iterator
from collections.abc import Sequence as Items
from importlib.resources import files
from pathlib import Path
from string import Template

import numpy as np

from bench.demo.results import Direction, Probe, table
from gait.clip import Clip
from gait.modality import Modality
from gait.sustech1k import Sequence, load_clip
from train.report.page import SIMULATED, figure
from train.report.strips import GREEN, GREY, RED, Strip, framed
from train.storage import write_atomically

STRIPS = 8
"""Probes shown for each direction."""


def write_page(path: Path, dataset: Path, directions: Items[Direction], simulated: bool) -> Path:
    """Writes one HTML file with the table and retrieval strips of both directions.

    Args:
        path: of the page.
        dataset: the tree in SUSTech1K's layout that the clips came from.
        directions: what was found.
        simulated: whether the people are.

    Returns:
        `path`.
    """
    template = Template(files("bench.demo").joinpath("page.html").read_text("utf-8"))
    page = template.substitute(
        notice=SIMULATED if simulated else "",
        table=html.escape(table(directions, simulated)),
        strips="\n".join(part for d in directions for part in _strips(dataset, d)),
    )
    write_atomically(path, page.encode())
    return path


def _strips(dataset: Path, direction: Direction) -> Iterator[str]:
    """Randomly drawn probes, then those that were missed."""
    title = f"sent: {direction.probe}, enrolled: {direction.enrolled}"
    yield f"<h2>{html.escape(title)}</h2>"
    order = np.random.default_rng(0).permutation(len(direction.probes))
    drawn = [direction.probes[i] for i in order]
    missed = [probe for probe in drawn if probe.rank > 1][: STRIPS // 2]
    for heading, probes in (("drawn at random", drawn[:STRIPS]), ("missed", missed)):
        yield f"<h3>{heading}</h3>"
        yield from (figure(_strip(dataset, direction, probe)) for probe in probes)


def _strip(dataset: Path, direction: Direction, probe: Probe) -> Strip:
    hits = tuple(subject == probe.subject for subject in probe.found)
    pictures = [framed(_clip(dataset, probe.walk, direction.probe).frames, GREY)]
    pictures += [
        framed(_clip(dataset, source, direction.enrolled).frames, GREEN if hit else RED)
        for source, hit in zip(probe.sources, hits, strict=True)
    ]
    return Strip(f"probe {probe.walk}", hits, np.concatenate(pictures, axis=1))


def _clip(dataset: Path, name: str, modality: Modality) -> Clip:
    """The clip of `subject/type/view`, which a template's source begins with."""
    subject, type_, view = name.split("/")[:3]
    folder = dataset / subject / type_ / view
    return load_clip(Sequence(subject, type_, view, folder), modality)
