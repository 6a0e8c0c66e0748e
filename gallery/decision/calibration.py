"""A calibration: which similarity stands for which rate of false positives, for whom.

It is made once (`gallery.decision.fitting`) and stored as JSON, with the model bundle or with a
gallery. It holds thresholds only, nothing biometric, and using it takes a few interpolations.
"""

import hashlib
import math
from typing import Final, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator

from gait.errors import CalibrationError
from gait.frozen import Frozen
from gait.modality import Modality
from gallery.decision.tail import carried, people_needed, rate_at

VERSION: Final = 1

Enrolled = Literal["silhouette", "range_view", "mixed"]
"""By which sensor people were enrolled: one modality, or either of them."""


class Threshold(Frozen):
    """A similarity from which on a person counts as found, and what it stands for.

    Args:
        similarity: at least this.
        rate: false positives that it allows, FPIR of a search or FMR of a comparison, 0..1.
        low: lower end of the 95 % interval of the similarity, over people.
        high: upper end.
        source: whether it is an order statistic of the data, or of the tail fitted to them.
    """

    similarity: float
    rate: float = Field(gt=0, lt=1)
    low: float
    high: float
    source: Literal["data", "tail"]


class Curve(Frozen):
    """Thresholds among so many enrolled people, by falling rate.

    Args:
        size: enrolled people.
        rates: falling.
        thresholds: similarities for them, rising.
        low, high: 95 % intervals of these, over people.
        data: the smallest rate that is an order statistic of the data; smaller ones are the tail's.
    """

    size: int = Field(ge=1)
    rates: tuple[float, ...] = Field(min_length=2)
    thresholds: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    data: float

    @model_validator(mode="after")
    def _consistent(self) -> "Curve":
        columns = (self.thresholds, self.low, self.high)
        if any(len(column) != len(self.rates) for column in columns):
            raise ValueError(f"the curve for {self.size} people has columns of different lengths")
        if any(np.diff(self.rates) >= 0) or any(np.diff(self.thresholds) < 0):
            raise ValueError(f"the thresholds for {self.size} people do not rise as rates fall")
        return self

    def at(self, rate: float) -> tuple[float, float, float]:
        """Threshold, lower and upper end for a rate."""
        place, rates = -math.log(rate), -np.log(self.rates)
        columns = (self.thresholds, self.low, self.high)
        threshold, low, high = (float(np.interp(place, rates, column)) for column in columns)
        return threshold, low, high


class Pair(Frozen):
    """The calibration of probes of one modality against people enrolled in one way.

    Args:
        probe: modality of the clips that are searched for.
        enrolled: by which sensor the people in the gallery were.
        templates: of each enrolled person.
        people: whose clips these thresholds stand on.
        curves: by rising size.
    """

    probe: Modality
    enrolled: Enrolled
    templates: int = Field(ge=1)
    people: int = Field(ge=1)
    curves: tuple[Curve, ...] = Field(min_length=1)

    def threshold(self, rate: float, size: int) -> Threshold:
        """The threshold for a rate of false positives among `size` enrolled people.

        Between two sizes it is interpolated over the logarithm of the size; beyond the largest the
        rate is carried over (`gallery.decision.tail.rate_at`).

        Raises:
            CalibrationError: so few people do not carry so small a rate among so many.
        """
        if not carried(self.people, rate, size):
            raise CalibrationError(
                f"a rate of {rate:.2%} among {size} enrolled people cannot be told from "
                f"{self.people} people: calibrate on {people_needed(rate, size)} or more",
                people=self.people,
                needed=people_needed(rate, size),
            )
        largest = self.curves[-1].size
        wanted = rate if size <= largest else rate_at(rate, size, largest)
        sizes = [math.log(curve.size) for curve in self.curves]
        at = math.log(max(1, min(size, largest)))
        after = int(np.searchsorted(sizes, at - 1e-12))
        near = self.curves[max(0, after - 1) : after + 1]
        found = np.array([curve.at(wanted) for curve in near])
        places = [math.log(curve.size) for curve in near]
        similarity, low, high = (float(np.interp(at, places, column)) for column in found.T)
        counted = size <= largest and wanted >= max(curve.data for curve in near)
        return Threshold(
            similarity=similarity,
            rate=rate,
            low=min(low, similarity),
            high=max(high, similarity),
            source="data" if counted else "tail",
        )


class Calibration(Frozen):
    """What similarities of one model mean, learned from people whose names are known.

    Args:
        version: of this record.
        contract: of the model; other models' similarities mean something else.
        cohort: SHA-256 of the cohort that normalises them (`gallery.search.cohort`), if one does.
        simulated: whether the people are not real.
        people: how many of them there are.
        data: where they come from, in words.
        pairs: one for each modality of probes, way of enrolment and number of templates that the
            clips sufficed for.
    """

    version: Literal[1] = VERSION
    contract: str
    cohort: str | None = None
    simulated: bool
    people: int
    data: str
    pairs: tuple[Pair, ...] = Field(min_length=1)

    def pair(self, probe: Modality, enrolled: Enrolled, templates: float) -> Pair:
        """The pair for people of `templates` each: the next larger number, else the largest.

        Raises:
            CalibrationError: there was no clip of such a pair.
        """
        found = [p for p in self.pairs if (p.probe, p.enrolled) == (probe, enrolled)]
        if not found:
            raise CalibrationError(
                f"the calibration knows no {probe} clips of people enrolled by {enrolled}: "
                "calibrate with clips of both"
            )
        found.sort(key=lambda pair: pair.templates)
        return next((pair for pair in found if pair.templates >= templates), found[-1])

    @property
    def text(self) -> str:
        """As JSON, one text for one calibration."""
        return self.model_dump_json()

    @property
    def sha256(self) -> str:
        """Of its text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @classmethod
    def parse(cls, text: str | bytes, contract: str, cohort: str | None = None) -> "Calibration":
        """A calibration from its text.

        Args:
            text: JSON.
            contract: of the model that it is to be of.
            cohort: SHA-256 of the cohort that normalises similarities, if one does.

        Raises:
            CalibrationError: it is none, or of another model or cohort.
        """
        try:
            calibration = cls.model_validate_json(text)
        except ValidationError as error:
            raise CalibrationError(f"not a calibration: {error.errors()[0]['msg']}") from error
        if calibration.contract != contract:
            raise CalibrationError(
                f"the calibration is of model {calibration.contract}, not of {contract}: "
                "calibrate again with this model"
            )
        if calibration.cohort != cohort:
            raise CalibrationError(
                "the calibration is of similarities that are normalised by another cohort than "
                "the bundle's: calibrate again with this bundle"
            )
        return calibration
