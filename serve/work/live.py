"""Who passed the cameras lately, as watchers told it: a bounded list in memory, gone with it."""

import time
from collections import deque
from collections.abc import Callable, Collection

from serve.schemas.live import Passing

_KEPT = 24 * 3600.0
"""Seconds after which somebody who passed is forgotten."""

_RECORDED_EVERY = 600.0
"""Seconds in which one record says that a key looks on, however often its page asks."""


class Live:
    """The people who passed, the newest last. For the event loop's thread alone.

    Args:
        most: people who are kept; of more the oldest are forgotten.
        clock: seconds since 1970.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.time) -> None:
        self._passed = deque[tuple[float, Passing]](maxlen=most)
        self._clock = clock
        self._last = 0
        self._recorded = dict[str, float]()

    def add(self, passing: Passing) -> int:
        """Takes somebody who passed, once: told again, they keep their number.

        Numbers rise, also over a restart: whoever asks for later ones misses nobody.
        """
        for _, known in self._passed:
            if known.audit_id == passing.audit_id:
                return known.number
        now = self._clock()
        self._last = max(self._last + 1, int(now * 1000))
        self._passed.append((now, passing.model_copy(update={"number": self._last})))
        return self._last

    def all(self) -> list[Passing]:
        """Who passed within a day, the oldest first."""
        while self._passed and self._clock() - self._passed[0][0] > _KEPT:
            self._passed.popleft()
        return [passing for _, passing in self._passed]

    def forget(self, numbers: Collection[int]) -> None:
        """Forgets people, by their numbers."""
        kept = [each for each in self._passed if each[1].number not in numbers]
        self._passed = deque(kept, self._passed.maxlen)

    def begins_to_look(self, key: str) -> bool:
        """Whether a key looks on for the first time in a while, so that it has to be recorded."""
        now = self._clock()
        self._recorded = {
            each: at for each, at in self._recorded.items() if now - at < _RECORDED_EVERY
        }
        if key in self._recorded:
            return False
        self._recorded[key] = now
        return True
