"""How the galleries and their indexes do: what `/readyz` and Prometheus are told about them."""

import threading
import time
from dataclasses import dataclass
from typing import NamedTuple, Self
from weakref import WeakKeyDictionary

from gallery.gallery import Gallery

EVERY = 60.0
"""Seconds for which a measured recall is shown before it is measured again."""


class State(NamedTuple):
    """How a gallery is, as far as a glance can tell.

    Attributes:
        ready: its index has been made.
        behind: changes of the record that its index does not know yet.
        revision: how many changes there have been.
        damaged: templates that could not be read since the gallery was opened.
    """

    ready: bool
    behind: int
    revision: int
    damaged: int

    @classmethod
    def of(cls, gallery: Gallery) -> Self:
        """The state now. Looking at a gallery never makes its index."""
        return cls(gallery.ready, gallery.behind, gallery.revision, len(gallery.damaged))


@dataclass(frozen=True)
class Health:
    """How an index does.

    Attributes:
        recall: share of sampled searches that find whom exact search finds, 0..1; None while the
            index has not been made.
        lag: changes of the record that the index does not know yet; None likewise.
        damaged: templates that could not be read since the gallery was opened.
    """

    recall: float | None
    lag: int | None
    damaged: int


@dataclass
class _Measured:
    recall: float | None = None
    at: float = float("-inf")


class HealthMonitor:
    """Watches open galleries: measures each once a minute, which brings its index up to date."""

    def __init__(self) -> None:
        self._measured: WeakKeyDictionary[Gallery, _Measured] = WeakKeyDictionary()
        self._looking = threading.Lock()

    def of(self, gallery: Gallery) -> Health:
        """The health of a gallery now. Looking at it never makes its index."""
        if not gallery.ready:
            return Health(None, None, len(gallery.damaged))
        with self._looking:
            seen = self._measured.setdefault(gallery, _Measured())
            if time.monotonic() - seen.at >= EVERY:
                seen.recall, seen.at = gallery.health().recall, time.monotonic()
        return Health(seen.recall, gallery.behind, len(gallery.damaged))
