"""For how long each client has held workers of late: who did so least comes first."""

import time

HALF_LIFE = 30.0
"""Seconds after which half of what a client used is forgotten."""
_FORGOTTEN = 1e-3
_MANY = 1000


class Spending:
    """Seconds by client, halved every `HALF_LIFE` seconds."""

    def __init__(self) -> None:
        self._spent: dict[str, tuple[float, float]] = {}

    def of(self, client: str) -> float:
        """What a client has used."""
        spent, then = self._spent.get(client, (0.0, 0.0))
        return spent * float(0.5 ** ((time.monotonic() - then) / HALF_LIFE))

    def add(self, client: str, seconds: float) -> None:
        """Counts what a client used now."""
        self._spent[client] = (self.of(client) + seconds, time.monotonic())
        if len(self._spent) > _MANY:  # a client more may be an address more
            kept = {each: self.of(each) for each in self._spent}
            now = time.monotonic()
            self._spent = {each: (s, now) for each, s in kept.items() if s > _FORGOTTEN}
