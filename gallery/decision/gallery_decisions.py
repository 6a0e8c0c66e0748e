"""The decisions of one gallery: by its own calibration or its bundle's, at its own size."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gait.errors import CalibrationError
from gait.modality import Modality
from gallery.decision.calibration import Calibration
from gallery.decision.decision import (
    Decider,
    Decision,
    Policy,
    Searched,
    Strangers,
    Whose,
    bundle_calibration,
    decide,
)
from gallery.record.reading import RecordReader
from gallery.search.cohort import Cohort, bundle_cohort
from gallery.template import Candidate

log = logging.getLogger("gallery")
Counted = dict[Modality, tuple[int, int]]
"""People and templates of each modality."""


@dataclass(frozen=True)
class _Known:
    """What decisions rest on, as of a revision of the record; `fault` is what is wrong with the
    gallery's own calibration."""

    revision: int
    held: Counted
    decider: Decider | None
    fault: str | None

    def decision(
        self,
        candidates: Sequence[Candidate],
        searched: Searched,
        policy: Policy,
        *,
        comparison: bool = False,
    ) -> Decision:
        """About the first candidate; undecided if somebody was found and something is wrong."""
        if self.fault and candidates:
            return Decision(verdict=None, undecided=self.fault)
        return decide(self.decider, candidates, searched, policy, comparison=comparison)


class GalleryDecisions:
    """Decides about what was found in one gallery. May be used by several threads.

    Args:
        record: who is enrolled.
        bundle: model bundle of its embeddings; None if there is none.

    Where the gallery's own calibration is damaged, or of another cohort, nothing is decided and the
    decision says why; `calibration` raises `CalibrationError`. Every method raises
    `BundleTamperedError` if the bundle's is not the one that was exported.
    """

    def __init__(self, record: RecordReader, bundle: Path | None) -> None:
        self._record, self._bundle = record, bundle
        self._known: _Known | None = None

    @cached_property
    def cohort(self) -> Cohort | None:
        """Of the bundle, by which similarities are normalised."""
        return None if self._bundle is None else bundle_cohort(self._bundle)

    @property
    def calibration(self) -> tuple[Calibration, Whose] | None:
        """What similarities mean: the gallery's own calibration, else that of its bundle."""
        own = self._record.calibration()
        if own is not None:
            return self.checked(own), "gallery"
        made = None if self._bundle is None else bundle_calibration(self._bundle)
        return None if made is None else (made, "bundle")

    def checked(self, text: str) -> Calibration:
        """A calibration from JSON, if it is of this gallery's model and cohort."""
        cohort = None if self.cohort is None else self.cohort.sha256
        return Calibration.parse(text, self._record.facts.contract, cohort)

    def of_search(
        self,
        candidates: Sequence[Candidate],
        probe: Modality,
        policy: Policy,
        modality: Modality | None,
        subjects: Collection[str] | None,
        revision: int,
    ) -> Decision:
        """Whether the first person found at a revision is the one: see `Gallery.search`."""
        known = self._facts(revision)
        held = _of(known.held, modality)
        if subjects is not None:
            named = len(set(subjects))
            held = {m: (min(n, named), round(t * min(n, named) / n)) for m, (n, t) in held.items()}
        return known.decision(candidates, Searched.of(probe, held), policy)

    def of_comparison(
        self,
        candidate: Candidate,
        probe: Modality,
        policy: Policy,
        modality: Modality | None,
    ) -> Decision:
        """Whether a probe is the one person it was compared with: see `Gallery.verify`."""
        known = self._facts(self._record.revision())
        searched = Searched.of(probe, _of(self._record.held(candidate.subject), modality))
        return known.decision([candidate], searched, policy, comparison=True)

    def of_similarity(self, similarity: float, probe: Modality, policy: Policy) -> Decision | None:
        """What a search of everybody would decide that finds this similarity at best; None where
        there is no calibration."""
        known = self._facts(self._record.revision())
        if known.decider is None:
            return None
        return known.decider.search(similarity, Searched.of(probe, known.held), policy)

    def strangers(self, probe: Modality, policy: Policy, modality: Modality | None) -> Strangers:
        """How similar strangers come out of a search now: see `Gallery.strangers`."""
        known = self._facts(self._record.revision())
        searched = Searched.of(probe, _of(known.held, modality))
        nobody = [Candidate("", -1.0, 0, probe, "")] if searched.size else []
        decision = known.decision(nobody, searched, policy)
        decider = known.decider
        curve = {} if decider is None or not nobody else decider.strangers(searched)
        return Strangers(
            thresholds=decision.thresholds,
            undecided=decision.undecided if nobody else "nobody is enrolled by such a sensor",
            rates=tuple(curve),
            similarities=tuple(curve.values()),
            calibration=None if decider is None else (decider.calibration, decider.whose),
        )

    def _facts(self, revision: int) -> _Known:
        """What decisions rest on, read again when the gallery has changed."""
        known = self._known
        if known is None or known.revision != revision:
            decider, fault = None, None
            try:
                calibration = self.calibration
                decider = None if calibration is None else Decider(*calibration)
            except CalibrationError as error:
                fault = str(error)
                log.error("nothing is decided: %s", fault)
            self._known = known = _Known(revision, self._record.held(), decider, fault)
        return known


def _of(held: Counted, modality: Modality | None) -> Counted:
    """The counts of the modality that is searched; None for both."""
    return {m: counts for m, counts in held.items() if modality in (None, m)}
