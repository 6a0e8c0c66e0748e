"""How often one key, one gallery and one address may ask: a moving window each, in memory.

A restart forgets what was counted; a service is one process, so nothing else counts.
"""

import ipaddress
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from pydantic import Field

from gait.errors import RateError

MAX_NAMES = 10_000
"""Keys, galleries and addresses remembered; counting starts anew when there are more."""


Rate = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}/(second|minute|hour|day)$")]
"""Requests in a moving window, such as `600/minute`."""


@dataclass(frozen=True)
class Allowance:
    """Where a client stands with one limit, after a request.

    Args:
        policy: name of the limit.
        quota: requests in a window.
        window: seconds.
        left: requests left.
        reset: whole seconds after which the oldest request no longer counts.
        spent: this request was one too many; it was not counted.
    """

    policy: str
    quota: int
    window: int
    left: int
    reset: int
    spent: bool

    def error(self) -> RateError:
        """The refusal of a request that was one too many."""
        return RateError(
            f"too many requests: {self.quota} in {self.window} s are answered for one "
            f"{self.policy}; come back in {self.reset} s",
            limit=self.policy,
            retry_after=self.reset,
        )


class Rates:
    """The limits and what has been used of them. Methods may be called from several threads.

    Args:
        per_key: requests of a key.
        per_gallery: requests for a gallery, of all keys together.
        per_address: requests of an address without a valid key. Those with one are always let
            through, so that nobody can lock out others who share the address.
    """

    def __init__(self, per_key: str, per_gallery: str, per_address: str) -> None:
        self._limits = {
            "key": parse(per_key),
            "gallery": parse(per_gallery),
            "address": parse(per_address),
        }
        self._latest, self._lock = 0.0, threading.Lock()
        self._forget()

    def count(self, policy: str, name: str) -> Allowance:
        """Counts a request.

        Args:
            policy: `key`, `gallery` or `address`.
            name: id of the key, name of the gallery, or address of a client without a valid key.
        """
        limit = self._limits[policy]
        if policy == "address":
            name = _network(name)
        with self._lock:
            now = time.time()
            # What was counted before the clock was set back counts until it is as late again.
            if now < self._latest - 1 or len(self._storage.events) > MAX_NAMES:
                self._forget()
            self._latest = now
            spent = not self._limiter.hit(limit, policy, name)
            stats = self._limiter.get_window_stats(limit, policy, name)
        reset = max(0, int(stats.reset_time - now)) + 1  # never too early
        return Allowance(policy, limit.amount, limit.get_expiry(), stats.remaining, reset, spent)

    def _forget(self) -> None:
        self._storage = MemoryStorage()
        self._limiter = MovingWindowRateLimiter(self._storage)


def rate_headers(allowances: Iterable[Allowance]) -> dict[str, str]:
    """`RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers)."""
    known = list(allowances)
    return {
        "RateLimit-Policy": ", ".join(f'"{a.policy}";q={a.quota};w={a.window}' for a in known),
        "RateLimit": ", ".join(f'"{a.policy}";r={a.left};t={a.reset}' for a in known),
    }


def _network(address: str) -> str:
    """An IPv6 client has a whole /64 to choose addresses from."""
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return (
        str(known) if known.version == 4 else str(ipaddress.ip_network((known, 64), strict=False))
    )
