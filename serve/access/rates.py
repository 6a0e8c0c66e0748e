"""How often one key, one gallery and one address may ask: a moving window each, in memory.

A restart forgets what was counted; a service is one process, so nothing else counts. The library
`limits` starts a thread for nearly every request, on which the event loop waits.
"""

import ipaddress
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from gait.errors import RateError

MAX_NAMES = 10_000
"""Keys, galleries or addresses remembered, of each so many; counting those starts anew when more of
them have asked of late."""
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


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
        given = {"key": per_key, "gallery": per_gallery, "address": per_address}
        self._limits = {policy: _parsed(rate) for policy, rate in given.items()}
        self._counted = {policy: dict[str, deque[float]]() for policy in given}
        self._lock = threading.Lock()

    def count(self, policy: str, name: str) -> Allowance:
        """Counts a request.

        Args:
            policy: `key`, `gallery` or `address`.
            name: id of the key, name of the gallery, or address of a client without a valid key.
        """
        quota, window = self._limits[policy]
        if policy == "address":
            name = _network(name)
        with self._lock:
            now = time.monotonic()  # nobody sets this clock
            counted = self._counted[policy].get(name)
            if counted is None:
                if len(self._counted[policy]) >= MAX_NAMES:
                    self._forget(policy, now - window)
                counted = self._counted[policy][name] = deque()
            while counted and counted[0] < now - window:
                counted.popleft()
            spent = len(counted) >= quota
            if not spent:
                counted.append(now)
            left, oldest = quota - len(counted), counted[0]
        reset = int(oldest + window - now) + 1  # never too early
        return Allowance(policy, quota, window, left, reset, spent)

    def _forget(self, policy: str, before: float) -> None:
        """Makes room among the names of a limit: forgets who has not asked since, or else all."""
        found = self._counted[policy]
        kept = {name: times for name, times in found.items() if times[-1] >= before}
        self._counted[policy] = kept if len(kept) <= MAX_NAMES // 2 else {}


def _parsed(rate: str) -> tuple[int, int]:
    """Requests, and seconds of the window, of a `Rate`."""
    quota, _, unit = rate.partition("/")
    return int(quota), _SECONDS[unit]


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
