"""Requests to a service: whom they reach, how long they wait, and what becomes of odd replies."""

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gait.errors import ConfigError, RemoteError, RemoteUnreachableError
from gallery.remote.client import Client

pytestmark = pytest.mark.serving

KEY = "dcg_key"
PEOPLE = b'{"galleries": ["a", "b"], "next_cursor": null}'
BUSY = b'{"code": "service.busy", "detail": "busy", "request_id": "r1"}'


class Handler(BaseHTTPRequestHandler):
    """Gives the replies of its server in turn, the last one again and again."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def _reply(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.server.seen.append((self.command, self.path, self.headers, self.rfile.read(length)))
        replies = self.server.replies
        status, headers, body = replies.pop(0) if len(replies) > 1 else replies[0]
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    do_GET = do_POST = do_DELETE = _reply  # noqa: N815  (named by the library)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


class Server(ThreadingHTTPServer):
    """Replies, and what was sent to get them."""

    def __init__(
        self, replies: tuple[tuple[int, dict[str, str], bytes], ...], tls: ssl.SSLContext | None
    ) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies, self.seen = list(replies), list[tuple[str, str, object, bytes]]()
        self.address = f"http{'s' if tls else ''}://127.0.0.1:{self.server_address[1]}"
        if tls is not None:
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def handle_error(self, request: object, address: object) -> None:
        """Says nothing of clients that turn away."""


@contextmanager
def serving(
    *replies: tuple[int, dict[str, str], bytes], tls: ssl.SSLContext | None = None
) -> Iterator[Server]:
    """A server with these replies."""
    with Server(replies, tls) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_key_is_sent_and_a_path_before_the_service_is_kept() -> None:
    with serving((200, {}, PEOPLE)) as server:
        assert list(Client(f"{server.address}/gait/", KEY).galleries()) == ["a", "b"]
        ((method, path, headers, _),) = server.seen
    assert (method, path) == ("GET", "/gait/v1/galleries?limit=1000")
    assert headers["Authorization"] == f"Bearer {KEY}"  # type: ignore[index]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "call", [lambda c: list(c.galleries()), lambda c: c.remove("g", "s")], ids=["read", "erase"]
)
def test_no_redirect_is_followed(status: int, call: Callable[[Client], object]) -> None:
    with serving((200, {}, PEOPLE)) as other:
        moved = (status, {"Location": f"{other.address}/v1/galleries"}, b"")
        with serving(moved) as server, pytest.raises(RemoteUnreachableError):
            call(Client(server.address, KEY))
        assert other.seen == []


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving((200, {}, b"{}")) as proxy, serving((200, {}, PEOPLE)) as server:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.address)
        assert list(Client(server.address, KEY).galleries()) == ["a", "b"]
        assert proxy.seen == []


def test_what_changes_nothing_is_asked_again_when_the_service_is_busy() -> None:
    busy = (503, {"Retry-After": "0"}, BUSY)
    with serving(busy, busy, (200, {}, PEOPLE)) as server:
        assert list(Client(server.address).galleries()) == ["a", "b"]
    with serving(busy) as server:
        with pytest.raises(RemoteError) as refused:
            list(Client(server.address).galleries())
        assert len(server.seen) == 3
        assert (refused.value.problem, refused.value.request_id) == ("service.busy", "r1")
        with pytest.raises(RemoteError):
            Client(server.address).remove("g", "s")
        assert len(server.seen) == 4
    with serving((429, {"Retry-After": "3600"}, BUSY)) as server, pytest.raises(RemoteError):
        list(Client(server.address).galleries())


@pytest.mark.parametrize("reply", [
    (200, {}, b"<html>"), (200, {}, b"[]"), (200, {}, b'{"galleries": [3], "next_cursor": null}'),
    (500, {}, b"oops"), (404, {}, b"{}"), (200, {"Content-Length": "999"}, PEOPLE),
])  # fmt: skip
def test_what_is_no_such_service_is_said(reply: tuple[int, dict[str, str], bytes]) -> None:
    with serving(reply) as server, pytest.raises(RemoteUnreachableError):
        list(Client(server.address).galleries())


def test_an_export_that_stops_early_is_said() -> None:
    cut = (200, {"Content-Length": "1000"}, b"x" * 500)
    with serving(cut) as server, pytest.raises(RemoteUnreachableError, match="does not answer"):
        Client(server.address).export("g", b"", BytesIO())


def test_who_does_not_answer_is_not_waited_for_beyond_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(RemoteUnreachableError, match=r"does not answer: .*timed out"):
            list(Client(address, timeout=0.2).galleries())


def test_certificates_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(tmp_path / "own.pem"))
    with serving((200, {}, PEOPLE), tls=context) as server:
        with pytest.raises(RemoteUnreachableError, match=r"(?i)certificate.verify.failed"):
            list(Client(server.address, KEY).galleries())
        assert server.seen == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "own.pem"))
        assert list(Client(server.address, KEY).galleries()) == ["a", "b"]
        with pytest.raises(RemoteUnreachableError, match=r"(?i)hostname mismatch"):
            list(Client(server.address.replace("127.0.0.1", "localhost"), KEY).galleries())


def _certificate(path: Path) -> Path:
    """A certificate of 127.0.0.1 that signs itself, with its key."""
    key, now = Ed25519PrivateKey.generate(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gait")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, None)
    )
    pem = Encoding.PEM
    secret = key.private_bytes(pem, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(secret + made.public_bytes(pem))
    return path


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("gait.example", "begins with http"),
        ("ftp://gait.example", "begins with http"),
        ("http://", "begins with http"),
        ("http://me@gait.example", "no user"),
        ("http://gait.example?x=1", "no user"),
        ("http://gait.example#x", "no user"),
        ("http://gait.example:port", "no URL"),
        ("http://gait.example", "plain http"),
    ],
)
def test_addresses_that_cannot_be_used(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Client(url, KEY)
    assert Client("http://gait.example", KEY, insecure_key=True)


@pytest.mark.parametrize("key", ["", "a b", "ä", "a\n", "a\r\nX: y"])
def test_keys_that_cannot_be_sent(key: str) -> None:
    with pytest.raises(ConfigError, match="access key") as refused:
        Client("https://gait.example", key)
    assert key not in str(refused.value) or not key
