"""Events to a web address, signed.

The header `X-DiffCrossGait-Signature` is `t=SECONDS,v1=HEX`: the HMAC-SHA-256 of `SECONDS.BODY`
under the shared secret. Whoever receives it compares, and refuses old times.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Callable

import httpx2

from capture.live.outbox import Event, Outbox, Undelivered
from gait.errors import ConfigError

SIGNATURE = "X-DiffCrossGait-Signature"
_TIMEOUT = 10.0


def signature(body: bytes, secret: str, seconds: int) -> str:
    """What the header says of a body."""
    signed = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256)
    return f"t={seconds},v1={signed.hexdigest()}"


def webhook(
    url: str, secret: str, complain: Callable[[str], None], first_wait: float = 1.0
) -> Outbox:
    """Where events for a web address go.

    Args:
        url: where to.
        secret: shared with whoever receives.
        complain: told of events that could not be delivered; refused ones (4xx) are not tried
            again.
        first_wait: seconds before the second attempt; doubled each time.

    Raises:
        ConfigError: no web address, or no secret.
    """
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"got {url} as webhook, need http:// or https://")
    if not secret:
        raise ConfigError("a webhook needs a secret, in the file given by --webhook-secret")

    def deliver(event: Event) -> Undelivered | None:
        body = json.dumps(event).encode()
        signed = signature(body, secret, int(time.time()))
        headers = {"Content-Type": "application/json", SIGNATURE: signed}
        try:
            reply = httpx2.post(
                url, content=body, headers=headers,
                timeout=_TIMEOUT, trust_env=False, follow_redirects=False,
            )  # fmt: skip
        except httpx2.HTTPError as error:
            return Undelivered(f"no answer ({error!r})", again=True)
        status = reply.status_code
        if status == 429 or status >= 500:
            return Undelivered(f"answered {status}", again=True)
        return None if status < 300 else Undelivered(f"{status} refused", again=False)

    return Outbox("the webhook", deliver, complain, first_wait)
