"""The listening socket."""

import gc
import socket
from pathlib import Path

import pytest

from gait.errors import ConfigError
from serve.run import collect_garbage_less, listen
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


def test_the_collector_passes_over_what_the_service_holds() -> None:
    before = gc.get_threshold()
    try:
        collect_garbage_less()
        assert gc.get_freeze_count() > 1000
        assert gc.isenabled()
        assert gc.get_threshold()[0] == 20_000
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
