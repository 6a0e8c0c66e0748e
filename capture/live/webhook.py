"""Events to a web address: signed, tried again, and never more of them kept than fits.

The header `X-DiffCrossGait-Signature` is `t=SECONDS,v1=HEX`: the HMAC-SHA-256 of `SECONDS.BODY`
under the shared secret. Whoever receives it compares, and refuses old times.
"""

import hashlib
import hmac
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import httpx2

from gait.errors import ConfigError

SIGNATURE = "X-DiffCrossGait-Signature"
_KEPT = 1000
_ATTEMPTS = 6
_LONGEST_WAIT = 60.0
_TIMEOUT = 10.0


def signature(body: bytes, secret: str, seconds: int) -> str:
    """What the header says of a body."""
    signed = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256)
    return f"t={seconds},v1={signed.hexdigest()}"


class Webhook:
    """Sends events in the order they came, from a thread of its own.

    Args:
        url: where to.
        secret: shared with whoever receives.
        complain: told of events that could not be delivered.
        first_wait: seconds before the second attempt; doubled each time.

    Raises:
        ConfigError: no web address, or no secret.
    """

    def __init__(
        self,
        url: str,
        secret: str,
        complain: Callable[[str], None],
        first_wait: float = 1.0,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"got {url} as webhook, need http:// or https://")
        if not secret:
            raise ConfigError("a webhook needs a secret, in the file given by --webhook-secret")
        self._url, self._secret = url, secret
        self._complain, self._first_wait = complain, first_wait
        self._waiting = deque[dict[str, Any]]()
        self._changed = threading.Condition()
        self._closing = False
        self._http = httpx2.Client(timeout=_TIMEOUT, trust_env=False, follow_redirects=False)
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)
        self._thread.start()

    def send(self, event: dict[str, Any]) -> None:
        """Sends an event soon; when too many wait, the oldest is lost and that is said."""
        with self._changed:
            if len(self._waiting) >= _KEPT:
                self._waiting.popleft()
                self._complain("too many events wait for the webhook; the oldest was dropped")
            self._waiting.append(event)
            self._changed.notify()

    def close(self, patience: float = 30.0) -> None:
        """Sends what waits, for so many seconds at most."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(patience)
        self._http.close()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                event = self._waiting.popleft()
            self._deliver(event)

    def _deliver(self, event: dict[str, Any]) -> None:
        body = json.dumps(event).encode()
        wait, problem = self._first_wait, ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(min(wait, _LONGEST_WAIT))
                wait *= 2
            problem = self._try(body)
            if not problem:
                return
            if problem.startswith("4"):
                break
        self._complain(f"an event was not delivered to the webhook: {problem}")

    def _try(self, body: bytes) -> str:
        """Empty if it was taken, else why not; a refusal (4xx) is not tried again."""
        headers = {
            "Content-Type": "application/json",
            SIGNATURE: signature(body, self._secret, int(time.time())),
        }
        try:
            status = self._http.post(self._url, content=body, headers=headers).status_code
        except httpx2.HTTPError as error:
            return f"no answer ({error!r})"
        if status == 429 or status >= 500:
            return f"answered {status}"
        return "" if status < 300 else f"{status} refused"
