"""Requests to a service: where it is, who asks, and what a refusal becomes.

`http.client` takes no proxy from the environment and follows no redirect, so a key goes to the
host it was meant for and to no other.
"""

import http.client
import ipaddress
import json
import ssl
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from gait.errors import ConfigError, RemoteError, RemoteUnreachableError
from gallery.remote.multipart import Form

ATTEMPTS = 3
"""Requests sent at most for one call that may be repeated."""
LONGEST_WAIT = 30.0
"""Seconds; who is told to come back later than that gets the refusal instead."""

_TRY_AGAIN = (429, 503)


def is_url(location: str) -> bool:
    """Whether a gallery's location is that of a service."""
    return location.startswith(("http://", "https://"))


@dataclass(frozen=True)
class Address:
    """Where a service listens."""

    secure: bool
    host: str
    port: int | None
    prefix: str

    @classmethod
    def parse(cls, url: str) -> "Address":
        """The address in an http or https URL.

        Raises:
            ConfigError: it is no such URL, or it has a user, a query or a fragment.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ConfigError(f"the address of the service is no URL: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError("the address of a service begins with http:// or https:// and a host")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ConfigError("the address of a service has no user, no `?` and no `#`")
        return cls(parts.scheme == "https", parts.hostname, port, parts.path.rstrip("/"))

    @property
    def on_loopback(self) -> bool:
        """Whether what is sent there stays on this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def connect(self, timeout: float) -> http.client.HTTPConnection:
        """A connection, made when it is first used; certificates are checked."""
        if self.secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                self.host, self.port, timeout=timeout, context=context
            )
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)


@dataclass(frozen=True)
class Remote:
    """A service as requests see it.

    Args:
        address: of the service.
        key: access key, or None.
        timeout: seconds for the connection, and for each wait for data.
    """

    address: Address
    key: str | None = field(repr=False)
    timeout: float

    def ask(self, method: str, path: str, form: Form | None = None, *, repeat: bool) -> Any:
        """The JSON of the reply.

        Args:
            method: of HTTP.
            path: below the address, quoted.
            form: body, if any.
            repeat: the call changes nothing, so that after 429 and 503 it is made again, at most
                `ATTEMPTS` times in all, when the service says.

        Raises:
            RemoteError: the service refused or failed.
            RemoteUnreachableError: nothing that is such a service answered.
        """
        left = ATTEMPTS if repeat else 1
        while True:
            left -= 1
            status, headers, body = self._exchange(method, path, form)
            if 200 <= status < 300:
                return _json(status, body)
            wait = _wait(headers.get("Retry-After"))
            if not left or status not in _TRY_AGAIN or wait > LONGEST_WAIT:
                raise _refusal(status, body)
            time.sleep(wait)

    def _exchange(
        self, method: str, path: str, form: Form | None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        headers = {"Accept": "application/json"}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key}"
        if form is not None:
            headers["Content-Type"] = form.content_type
        connection = self.address.connect(self.timeout)
        try:
            sent = None if form is None else form.body
            connection.request(method, self.address.prefix + path, sent, headers)
            reply = connection.getresponse()
            return reply.status, reply.headers, reply.read()
        except (OSError, http.client.HTTPException) as error:
            why = str(error) or type(error).__name__
            raise RemoteUnreachableError(f"{self.address.host} does not answer: {why}") from error
        finally:
            connection.close()


def _wait(after: str | None) -> float:
    if after is None:
        return 1.0
    return float(after) if after.isascii() and after.isdigit() else LONGEST_WAIT + 1


def _json(status: int, body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise RemoteUnreachableError(
            f"got a reply ({status}) that is not JSON: is this the service's address?",
            status=status,
        ) from error


def _refusal(status: int, body: bytes) -> RemoteError:
    told = _json(status, body)
    if not isinstance(told, dict) or "code" not in told:
        return RemoteUnreachableError(
            f"got {status} without a problem report: is this the service's address?", status=status
        )
    return RemoteError(
        str(told.get("detail", "")),
        problem=str(told["code"]),
        status=status,
        request_id=str(told.get("request_id", "")),
    )
