"""The lines a protocol's result is made of, each valid by construction."""

from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gait.metrics import Distance
from gait.modality import Modality

Percent = Annotated[float, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=0)]


class Record(BaseModel):
    """Frozen, strict about names, and without NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Interval(Record):
    """A percentage and its 95 % interval over resampled people."""

    value: Percent
    low: Percent
    high: Percent

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"got an interval from {self.low} to {self.high}, need low ≤ high")
        return self


class Row(Record):
    """One line of a result: one comparison of one probe set.

    Args:
        probe, gallery: the modalities looked up and looked in.
        distance: how embeddings were compared.
        condition: name of the probe set.
        view: probe view, or None for all.
        probes: clips in the probe set.
        subjects: people in it.
        misses: comparisons of a probe with a gallery view that lacks its subject; they count as
            not found.
        cells: pairs of probe view and gallery view.
        empty_cells: those left out because they have no probe or no gallery item.
        scores: metric name → interval; empty exactly if every cell is.
        resamples: metric name → its value in each resample, for paired comparison.
    """

    probe: Modality
    gallery: Modality
    distance: Distance
    condition: str
    view: str | None
    probes: Count
    subjects: Count
    misses: Count
    cells: Count
    empty_cells: Count
    scores: dict[str, Interval]
    resamples: dict[str, tuple[float | None, ...]] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.empty_cells > self.cells:
            raise ValueError(f"got {self.empty_cells} empty of {self.cells} cells")
        if bool(self.scores) != (self.cells > self.empty_cells):
            raise ValueError("need scores exactly if a cell is not empty")
        if self.subjects > self.probes:
            raise ValueError(f"got {self.subjects} subjects in {self.probes} probes")
        return self

    @property
    def key(self) -> tuple[Modality, Modality, Distance, str, str | None]:
        """What this row is about; no two rows of a result share it."""
        return self.probe, self.gallery, self.distance, self.condition, self.view


@dataclass(frozen=True)
class Score:
    """One number with what is needed to judge it; percent."""

    value: float
    low: float
    high: float
    probes: int
    subjects: int
    misses: int
    empty_cells: int
