"""What was found when clips were sent to the service: numbers, a table, a page of pictures."""

import html
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

import numpy as np
from pydantic import BaseModel, ConfigDict

from gait.clip import Clip
from gait.modality import Modality
from gait.open_set import over_people
from gait.sustech1k import Sequence as Walk
from gait.sustech1k import load_clip
from train.report.page import SIMULATED, figure
from train.report.strips import GREEN, GREY, RED, Strip, framed
from train.storage import write_atomically

NEAREST = 5
"""Candidates that each reply holds."""
STAGES = ("decode", "embed", "search", "request")
"""Stages that are timed; `request` is the whole round trip."""


STRIPS = 8
"""Probes shown for each direction."""


class Probe(BaseModel):
    """One clip that was sent: whose it was and who was found."""

    model_config = ConfigDict(frozen=True)

    subject: str
    walk: str
    found: list[str]
    sources: list[str]
    milliseconds: dict[str, float]

    @property
    def rank(self) -> int:
        """Position of the right person, from 1; beyond the candidates if not among them."""
        return self.found.index(self.subject) + 1 if self.subject in self.found else NEAREST + 1


class Direction(BaseModel):
    """All probes of one modality against a gallery of the other.

    `made_with` names the model, the walks and the options: results are kept for those alone.
    """

    model_config = ConfigDict(frozen=True)

    made_with: str
    probe: Modality
    enrolled: Modality
    people: int
    templates: int
    probes: list[Probe]

    def within(self, k: int) -> tuple[float, float, float]:
        """Percent of probes whose person is among the first k, with a 95 % interval over people."""
        hits, people = [p.rank <= k for p in self.probes], [p.subject for p in self.probes]
        found, low, high = over_people(hits, people)
        return 100 * found, 100 * low, 100 * high

    def median(self, stage: str) -> float:
        """Median milliseconds of a stage."""
        return float(np.median([p.milliseconds[stage] for p in self.probes]))


def summary(direction: Direction) -> dict[str, object]:
    """A direction's numbers as plain JSON values."""
    return {
        "probe": direction.probe,
        "gallery": direction.enrolled,
        "people": direction.people,
        "templates": direction.templates,
        "probes": len(direction.probes),
        "rank1": direction.within(1),
        "rank5": direction.within(NEAREST),
        "milliseconds": {stage: direction.median(stage) for stage in STAGES},
    }


def table(directions: Sequence[Direction], simulated: bool) -> str:
    """Both directions as a plain-text table."""
    first = directions[0]
    lines = [
        f"{first.people} {'simulated ' * simulated}people never trained on, enrolled by one",
        "sensor, found by the other through the service: another walk, other views.",
        "",
        f"{'probe → gallery':<25}{'probes':>6}  {'rank-1, %':<21}{'rank-5, %':<21}"
        + "".join(f"{stage:>8}" for stage in STAGES),
    ]
    for d in directions:
        cells = [f"{v:.1f} [{low:.1f}, {high:.1f}]" for v, low, high in map(d.within, (1, NEAREST))]
        name = f"{d.probe} → {d.enrolled}"
        times = "".join(f"{d.median(stage):>8.1f}" for stage in STAGES)
        lines.append(f"{name:<25}{len(d.probes):>6}  {cells[0]:<21}{cells[1]:<21}{times}")
    lines += [
        "",
        "[95 % interval over people]; stages in median milliseconds, request is all of it",
    ]
    return "\n".join(lines)


def write_page(path: Path, dataset: Path, directions: Sequence[Direction], simulated: bool) -> Path:
    """Writes one HTML file with the table and retrieval strips of both directions.

    Args:
        path: of the page.
        dataset: the tree in SUSTech1K's layout that the clips came from.
        directions: what was found.
        simulated: whether the people are.

    Returns:
        `path`.
    """
    template = Template(files("bench.demo").joinpath("report.html").read_text("utf-8"))
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
    return load_clip(Walk(subject, type_, view, folder), modality)
