"""What a similarity means: a match, perhaps one, or nobody.

A similarity alone says nothing: the most similar of many people is always quite similar. A
calibration says from which one on a stranger is called somebody no more often than allowed.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gait.errors import CalibrationError
from gait.frozen import Frozen
from gait.manifest import Manifest
from gait.modality import Modality
from gallery.decision.calibration import Calibration, Enrolled, Threshold
from gallery.template import Candidate

Whose = Literal["gallery", "bundle"]
Rate = Annotated[float, Field(gt=0, lt=0.5)]
_KEPT = 1024
"""Thresholds that are remembered."""
_SHARES = (0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01, 0.005, 0.002, 0.001)
"""Of strangers, for whom it is told how similar they get."""


class Finding(StrEnum):
    """What is decided about a probe."""

    MATCH = "match"
    POSSIBLE = "possible"
    NO_MATCH = "no_match"


class Policy(Frozen):
    """How often strangers may be called somebody.

    Args:
        match_fpir: share of strangers who may be called a match with anybody in a search.
        possible_fpir: share of strangers whom a person may have to look at.
        match_fmr: share of strangers who may be called the one person they are compared with.
        own_calibration: decide only by a calibration made for the gallery itself.
    """

    match_fpir: Rate = 0.01
    possible_fpir: Rate = 0.10
    match_fmr: Rate = 0.001
    own_calibration: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.possible_fpir < self.match_fpir:
            raise ValueError(
                f"possible_fpir {self.possible_fpir} is below match_fpir {self.match_fpir}: more "
                "strangers are looked at than are called a match"
            )
        return self


USUAL = Policy()


class Basis(Frozen):
    """The calibration that thresholds come from.

    Args:
        whose: made for the gallery, or with the model bundle.
        people: whose clips these thresholds stand on.
        simulated: whether they are not real.
        templates: enrolled of each of them.
        sha256: of the calibration.
    """

    whose: Whose
    people: int
    simulated: bool
    templates: int
    sha256: str


class Thresholds(Frozen):
    """From which similarity on there is which verdict.

    Args:
        match: of a match; in a search its rate is the FPIR, in a comparison the FMR.
        possible: of a possible match; None in a comparison.
        gallery_size: N that the rates are of: everybody who was compared, counted for each sensor
            that enrolled them.
        basis: where they come from.
        meaning: all of it as a sentence.
    """

    match: Threshold
    possible: Threshold | None
    gallery_size: int
    basis: Basis
    meaning: str

    @property
    def short(self) -> str:
        """The thresholds and where they come from, for a log."""
        low = "" if self.possible is None else f", possible from {self.possible.similarity:.4f}"
        return (
            f"match from {self.match.similarity:.4f}{low}, N {self.gallery_size}, "
            f"calibration {self.basis.sha256[:16]} of the {self.basis.whose}"
        )

    def verdict(self, similarity: float) -> Finding:
        """What a similarity means."""
        if similarity >= self.match.similarity:
            return Finding.MATCH
        if self.possible is not None and similarity >= self.possible.similarity:
            return Finding.POSSIBLE
        return Finding.NO_MATCH


class Strangers(Frozen):
    """How similar strangers are to whom they resemble most, and what is decided by it.

    Args:
        thresholds: of a search now; None where nothing can be decided.
        undecided: why not.
        rates: falling shares of strangers.
        similarities: that so many of them reach, rising; as far as the calibration carries.
        calibration: that says so, and whose it is; None without one, or where it is damaged.
    """

    thresholds: Thresholds | None
    undecided: str | None
    rates: tuple[float, ...]
    similarities: tuple[float, ...]
    calibration: tuple[Calibration, Whose] | None


class Decision(Frozen):
    """A verdict and what it stands on.

    Args:
        verdict: None where nothing could be decided.
        thresholds: None where nothing was compared, or nothing could be decided.
        undecided: why there is no verdict.
    """

    verdict: Finding | None
    thresholds: Thresholds | None = None
    undecided: str | None = None

    def shown(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Those candidates that are a match or possibly one; all where nothing was decided."""
        if self.thresholds is None:
            return list(candidates)
        least = self.thresholds.possible or self.thresholds.match
        return [each for each in candidates if each.similarity >= least.similarity]


@dataclass(frozen=True)
class Searched:
    """Who a probe was compared with.

    Args:
        probe: modality of the clip.
        enrolled: by which sensor people were.
        size: how many people, each counted for each sensor that enrolled them.
        templates: of each of them and sensor, on average.
    """

    probe: Modality
    enrolled: Enrolled
    size: int
    templates: float

    @classmethod
    def of(cls, probe: Modality, held: dict[Modality, tuple[int, int]]) -> Self:
        """From numbers of people and of templates that were compared, by modality."""
        there = {modality: counts for modality, counts in held.items() if counts[0]}
        people = sum(count for count, _ in there.values())
        templates = sum(count for _, count in there.values())
        way: Enrolled = "mixed" if len(there) != 1 else next(iter(there)).value
        return cls(probe, way, people, templates / max(1, people))


@dataclass
class Decider:
    """Decides by one calibration, and remembers the thresholds.

    Args:
        calibration: of the model.
        whose: made for the gallery, or with the model bundle.
    """

    calibration: Calibration
    whose: Whose
    _known: dict[object, Thresholds] = field(default_factory=dict)
    _sha256: str = ""

    def __post_init__(self) -> None:
        self._sha256 = self.calibration.sha256

    def search(self, similarity: float, searched: Searched, policy: Policy) -> Decision:
        """The decision about the most similar person of a search."""
        return self._decide(similarity, searched, policy.match_fpir, policy.possible_fpir)

    def comparison(self, similarity: float, searched: Searched, policy: Policy) -> Decision:
        """The decision whether a probe is the one person it was compared with."""
        return self._decide(similarity, searched, policy.match_fmr, None)

    def strangers(self, searched: Searched) -> dict[float, float]:
        """Falling shares of strangers, and the similarity that so many of them reach in a search;
        as far as the calibration carries."""
        found = dict[float, float]()
        with suppress(CalibrationError):  # beyond this rate nothing is known
            pair = self.calibration.pair(searched.probe, searched.enrolled, searched.templates)
            for rate in _SHARES:
                found[rate] = pair.threshold(rate, searched.size).similarity
        return found

    def _decide(
        self, similarity: float, searched: Searched, match: float, possible: float | None
    ) -> Decision:
        place = (searched, match, possible)
        try:
            thresholds = self._known.get(place) or self._thresholds(searched, match, possible)
        except CalibrationError as error:
            return Decision(verdict=None, undecided=str(error))
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[place] = thresholds
        return Decision(verdict=thresholds.verdict(similarity), thresholds=thresholds)

    def _thresholds(self, searched: Searched, match: float, possible: float | None) -> Thresholds:
        pair = self.calibration.pair(searched.probe, searched.enrolled, searched.templates)
        basis = Basis(
            whose=self.whose,
            people=pair.people,
            simulated=self.calibration.simulated,
            templates=pair.templates,
            sha256=self._sha256,
        )
        return Thresholds(
            match=pair.threshold(match, searched.size),
            possible=None if possible is None else pair.threshold(possible, searched.size),
            gallery_size=searched.size,
            basis=basis,
            meaning=_meaning(match, possible, searched, basis),
        )


def decide(
    decider: Decider | None,
    candidates: Sequence[Candidate],
    searched: Searched,
    policy: Policy,
    *,
    comparison: bool = False,
) -> Decision:
    """The decision about the first candidate; nobody enrolled is nobody found.

    Args:
        decider: by the gallery's own calibration, else the bundle's; None where there is neither.
        candidates: found, the most similar first.
        searched: who was compared.
        policy: how often strangers may be called somebody.
        comparison: with one person, who was named, and not a search.
    """
    if not candidates:
        return Decision(verdict=Finding.NO_MATCH)
    if decider is None:
        return Decision(
            verdict=None,
            undecided="there is no calibration of this model: similarities only rank people; "
            "make one with gallery.calibrate, or export the model again with --pack",
        )
    if policy.own_calibration and decider.whose != "gallery":
        return Decision(
            verdict=None,
            undecided="the gallery has no calibration of its own, and without one nothing is to be "
            "decided here: make one with gallery.calibrate",
        )
    judged = decider.comparison if comparison else decider.search
    return judged(candidates[0].similarity, searched, policy)


def bundle_calibration(bundle: Path) -> Calibration | None:
    """The calibration that a model bundle carries.

    Raises:
        BundleError: there is no bundle.
        BundleTamperedError: the calibration is not the one that was exported.
        CalibrationError: it is none of this version.
    """
    manifest = Manifest.load(bundle)
    if manifest.calibration is None:
        return None
    cohort = None if manifest.cohort is None else manifest.files[manifest.cohort].sha256
    text = manifest.read(bundle, manifest.calibration)
    return Calibration.parse(text, manifest.contract, cohort)


def _meaning(match: float, possible: float | None, searched: Searched, basis: Basis) -> str:
    people = f"{basis.people} {'simulated ' if basis.simulated else ''}people"
    by = "this gallery's own calibration" if basis.whose == "gallery" else "the model's calibration"
    if possible is None:
        said = f"of 10,000 strangers about {1e4 * match:.3g} would be called this person"
    else:
        said = (
            f"of 1,000 strangers about {1000 * match:.3g} would be called somebody, and about "
            f"{1000 * possible:.3g} that or possibly somebody, in a gallery of {searched.size}"
        )
        said += " (each counted for each sensor)" if searched.enrolled == "mixed" else ""
    return f"{said}; {by} on {people}"
