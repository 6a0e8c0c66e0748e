"""The listening socket."""

import socket
from pathlib import Path

import pytest

from gait.errors import ConfigError
from serve.run import listen
from serve.settings import load_settings
from tests.processes import free_port

pytestmark = pytest.mark.serving


def test_connections_send_small_replies_at_once() -> None:
    """Else each reply after the first waits for a delayed ACK: 50 ms a request instead of 5."""
    settings = load_settings(data=Path("data"), port=free_port())
    with listen(settings) as listening:
        with socket.create_connection(("127.0.0.1", settings.port)):
            accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=str(port)):
            listen(load_settings(data=Path("data"), port=port))
