"""Who was found when clips were sent to the service, and how that is summed up."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from gait.modality import Modality

NEAREST = 5
"""Candidates asked for."""
STAGES = ("decode", "embed", "search", "request")
"""Stages that are timed; `request` is the whole round trip."""


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
    """All probes of one modality against a gallery of the other; `asked` says of what exactly."""

    model_config = ConfigDict(frozen=True)

    asked: str
    probe: Modality
    enrolled: Modality
    people: int
    templates: int
    probes: list[Probe]

    def within(self, k: int) -> tuple[float, float, float]:
        """Percent of probes whose person is among the first k, with a 95 % interval over people."""
        people = sorted({p.subject for p in self.probes})
        hits = np.array([[p.rank <= k, people.index(p.subject)] for p in self.probes])
        found = np.bincount(hits[:, 1], hits[:, 0], len(people))
        sent = np.bincount(hits[:, 1], minlength=len(people))
        draws = np.random.default_rng(0).integers(len(people), size=(1000, len(people)))
        resampled = found[draws].sum(1) / sent[draws].sum(1)
        low, high = np.quantile(resampled, [0.025, 0.975])
        return 100 * found.sum() / sent.sum(), 100 * low, 100 * high

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
