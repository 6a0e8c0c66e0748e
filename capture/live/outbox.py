"""Events on their way to somewhere: in order, tried again, and never more of them than fits."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_KEPT = 1000
_ATTEMPTS = 6
_LONGEST_WAIT = 60.0

Event = dict[str, Any]


@dataclass(frozen=True)
class Undelivered:
    """Why an event was not taken.

    Args:
        reason: in words.
        again: another attempt may succeed.
    """

    reason: str
    again: bool


class Outbox:
    """Delivers events in the order they came, from a thread of its own.

    Args:
        to: where to, in words.
        deliver: delivers one event; None if it was taken.
        complain: told of events that could not be delivered.
        first_wait: seconds before the second attempt; doubled each time.
    """

    def __init__(
        self,
        to: str,
        deliver: Callable[[Event], Undelivered | None],
        complain: Callable[[str], None],
        first_wait: float = 1.0,
    ) -> None:
        self._to, self._deliver = to, deliver
        self._complain, self._first_wait = complain, first_wait
        self._waiting = deque[Event]()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"to {to}", daemon=True)
        self._thread.start()

    def send(self, event: Event) -> None:
        """Sends an event soon; when too many wait, the oldest is lost and that is said."""
        with self._changed:
            if len(self._waiting) >= _KEPT:
                self._waiting.popleft()
                self._complain(f"too many events wait for {self._to}; the oldest was dropped")
            self._waiting.append(event)
            self._changed.notify()

    def close(self, patience: float = 30.0) -> None:
        """Sends what waits, for so many seconds at most."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(patience)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                event = self._waiting.popleft()
            self._try(event)

    def _try(self, event: Event) -> None:
        wait, said = self._first_wait, ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(min(wait, _LONGEST_WAIT))
                wait *= 2
            problem = self._deliver(event)
            if problem is None:
                return
            said = f"an event was not delivered to {self._to}: {problem.reason}"
            if not problem.again:
                break
        self._complain(said)
