"""What an index knows about each template besides its embedding: numbers only."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gait.modality import Modality
from gallery.template import Batch

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]

_CODES = {modality: code for code, modality in enumerate(Modality)}


@dataclass(frozen=True)
class Filter:
    """Which templates a search may find.

    Args:
        modality: None for both.
        subjects: numbers of subjects; None for all.
    """

    modality: Modality | None = None
    subjects: Collection[int] | None = None


@dataclass(frozen=True, eq=False)
class Change:
    """What changed of templates `(n,)` besides their embeddings; None if it did not."""

    templates: Ids
    subject: int | None = None
    expires: int | None = None


@dataclass(frozen=True, eq=False)
class Rows:
    """Templates in a fixed order, 26 bytes each.

    Args:
        templates, subjects: their numbers, `(n,)`.
        modalities: `(n,)` uint8, place of each in `Modality`.
        expires: `(n,)`, seconds since 1970, the first at which the template is not found any more.
        alive: `(n,)`. The one array that changes: an erased template's turns False, and never back.
    """

    templates: Ids
    subjects: Ids
    modalities: NDArray[np.uint8]
    expires: Ids
    alive: Mask

    @classmethod
    def of(cls, batch: Batch) -> "Rows":
        """Rows of templates that are all alive."""
        alive = np.ones(len(batch.ids), np.bool_)
        return cls(batch.ids, batch.subjects, batch.modalities, batch.expires, alive)

    @classmethod
    def joined(cls, parts: Sequence["Rows"]) -> "Rows":
        """The rows of all parts, in their order."""
        return cls(
            np.concatenate([part.templates for part in parts]),
            np.concatenate([part.subjects for part in parts]),
            np.concatenate([part.modalities for part in parts]),
            np.concatenate([part.expires for part in parts]),
            np.concatenate([part.alive for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.templates)

    def take(self, rows: Ids | Mask) -> "Rows":
        """A copy of some rows."""
        return Rows(
            self.templates[rows],
            self.subjects[rows],
            self.modalities[rows],
            self.expires[rows],
            self.alive[rows],
        )

    def allowed(self, wanted: Filter, now: float) -> Mask:
        """Rows that are alive, not expired at `now` (seconds since 1970), and wanted; `(n,)`."""
        allowed = self.alive & (self.expires > now)
        if wanted.modality is not None:
            allowed &= self.modalities == _CODES[wanted.modality]
        if wanted.subjects is not None:
            subjects = np.fromiter(wanted.subjects, np.int64, len(wanted.subjects))
            allowed &= np.isin(self.subjects, subjects)
        return allowed

    def changed(self, change: "Change") -> "Rows":
        """Rows with other subjects or expiries; itself if it has none of the templates."""
        rows = self.of_templates(change.templates)
        if not len(rows):
            return self
        subjects, expires = self.subjects.copy(), self.expires.copy()
        if change.subject is not None:
            subjects[rows] = change.subject
        if change.expires is not None:
            expires[rows] = change.expires
        return replace(self, subjects=subjects, expires=expires)

    def of_templates(self, templates: Ids) -> Ids:
        """Rows of those templates that are alive here."""
        return np.flatnonzero(self.alive & np.isin(self.templates, templates))
