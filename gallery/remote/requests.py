"""Requests to a service, and what a refusal becomes.

No proxy of the environment is used and no redirect is followed, so that a key goes to the host it
was meant for and to no other.
"""

import ipaddress
import logging
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any

import httpx2

from gait.errors import ConfigError, RemoteError, RemoteUnreachableError

ATTEMPTS = 3
"""Requests sent at most for one call that may be repeated."""
LONGEST_WAIT = 30.0
"""Seconds; who is told to come back later than that gets the refusal instead."""

Fields = Mapping[str, str | Sequence[str]]
Files = Sequence[tuple[str, bytes | IO[bytes]]]
"""Name of the field, and content. Files are all sent as `clip`: their names may tell people."""

_TRY_AGAIN = (429, 503)

# httpx2 logs the address of each request, and some addresses name people.
logging.getLogger("httpx2").addFilter(lambda record: "/subjects/" not in record.getMessage())


def is_url(location: str) -> bool:
    """Whether a gallery's location is that of a service."""
    return location.startswith(("http://", "https://"))


class Remote:
    """A service as requests see it. Threads may share one; no connection is kept.

    Args:
        url: `http://host:port` or `https://host`, whose certificate is checked.
        key: access key, or None.
        timeout: seconds for the connection, and for each wait for data.
        insecure_key: sends the key over plain http to another machine, where others can read it.

    Raises:
        ConfigError: the address, the key or the timeout cannot be used, or the key would be sent
            unencrypted to another machine.
    """

    def __init__(self, url: str, key: str | None, timeout: float, *, insecure_key: bool) -> None:
        address = _address(url)
        if key is not None and not (key.isascii() and key.isprintable() and key.split() == [key]):
            raise ConfigError("the access key is empty, or holds spaces or other characters")
        if not timeout > 0:
            raise ConfigError(f"got a timeout of {timeout} s, need more than 0")
        if key and not (address.scheme == "https" or insecure_key or _on_loopback(address.host)):
            raise ConfigError(
                "refusing to send the key over plain http to another machine: use https"
            )
        self.host = address.host
        self._http = httpx2.Client(
            base_url=address,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=timeout,
            verify=ssl.create_default_context(),
            trust_env=False,
            follow_redirects=False,
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        fields: Fields | None = None,
        files: Files = (),
        json: Any = None,
        repeat: bool = False,
    ) -> Any:
        """The JSON of the reply.

        Args:
            method: of HTTP.
            path: below the address, quoted, with the query.
            fields: of a form, beside its `files`.
            files: which are read once: no request with open ones may be repeated.
            json: a body instead of a form.
            repeat: the call changes nothing, so that after 429 and 503 it is made again, at most
                `ATTEMPTS` times in all, when the service says.

        Raises:
            RemoteError: the service refused or failed.
            RemoteUnreachableError: nothing that is such a service answered.
        """
        for left in reversed(range(ATTEMPTS if repeat else 1)):
            with self._reply(method, path, fields, files, json) as reply:
                reply.read()
            wait = _wait(reply.headers.get("Retry-After"))
            if not left or reply.status_code not in _TRY_AGAIN or wait > LONGEST_WAIT:
                break
            time.sleep(wait)
        return _json(_accepted(reply))

    def download(self, path: str, out: IO[bytes], *, files: Files) -> None:
        """Writes what the service sends in reply to a POST, in the memory of a piece of it.

        Raises:
            RemoteError: the service refused or failed.
            RemoteUnreachableError: nothing that is such a service answered, or it stopped before
                all was sent.
        """
        with self._reply("POST", path, None, files) as reply:
            if not reply.is_success:
                reply.read()
            for piece in _accepted(reply).iter_bytes():
                out.write(piece)

    @contextmanager
    def _reply(
        self,
        method: str,
        path: str,
        fields: Fields | None,
        files: Files,
        json: Any = None,
    ) -> Iterator[httpx2.Response]:
        named = [(name, ("clip", content)) for name, content in files]
        try:
            with self._http.stream(method, path, data=fields, files=named, json=json) as reply:
                yield reply
        except httpx2.RequestError as error:
            why = str(error) or type(error).__name__
            raise RemoteUnreachableError(f"{self.host} does not answer: {why}") from error


def _address(url: str) -> httpx2.URL:
    try:
        address = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise ConfigError(f"the address of the service is no URL: {error}") from error
    if address.scheme not in ("http", "https") or not address.host:
        raise ConfigError("the address of a service begins with http:// or https:// and a host")
    if set("@?#") & set(url):
        raise ConfigError("the address of a service has no user, no `?` and no `#`")
    return address


def _on_loopback(host: str) -> bool:
    """Whether what is sent there stays on this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _wait(after: str | None) -> float:
    if after is None:
        return 1.0
    return float(after) if after.isascii() and after.isdigit() else LONGEST_WAIT + 1


def _json(reply: httpx2.Response) -> Any:
    try:
        return reply.json()
    except ValueError as error:
        raise RemoteUnreachableError(
            f"got a reply ({reply.status_code}) that is not JSON: is this the service's address?",
            status=reply.status_code,
        ) from error


def _accepted(reply: httpx2.Response) -> httpx2.Response:
    """The reply; a refusal is raised."""
    status = reply.status_code
    if reply.is_success:
        return reply
    told = _json(reply)
    if not isinstance(told, dict) or "code" not in told:
        raise RemoteUnreachableError(
            f"got {status} without a problem report: is this the service's address?", status=status
        )
    raise RemoteError(
        str(told.get("detail", "")),
        problem=str(told["code"]),
        status=status,
        request_id=str(told.get("request_id", "")),
    )
