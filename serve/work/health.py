"""How well the indexes of the galleries do: what Prometheus is told about them."""

import threading
import time
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from gallery.gallery import Gallery

EVERY = 60.0
"""Seconds for which a measured recall is shown before it is measured again."""


@dataclass(frozen=True)
class Health:
    """Of one index.

    Attributes:
        recall: share of sampled searches that find whom exact search finds, 0..1; None while the
            index has not been built.
        lag: revisions written since the index was last seen up to date.
    """

    recall: float | None
    lag: int


@dataclass
class _Seen:
    revision: int = 0
    recall: float | None = None
    measured: float = float("-inf")


class HealthMonitor:
    """HealthMonitor of open galleries. Looking at one never builds an index."""

    def __init__(self) -> None:
        self._seen: WeakKeyDictionary[Gallery, _Seen] = WeakKeyDictionary()
        self._looking = threading.Lock()

    def of(self, gallery: Gallery) -> Health:
        """The condition of a gallery's index now."""
        with self._looking:
            seen = self._seen.setdefault(gallery, _Seen())
            revision = gallery.revision
            if not gallery.ready:
                return Health(seen.recall, max(revision - seen.revision, 1))
            seen.revision = revision
            if time.monotonic() - seen.measured >= EVERY:
                seen.recall, seen.measured = gallery.health().recall, time.monotonic()
            return Health(seen.recall, 0)
