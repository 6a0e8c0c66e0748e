"""The service as a process of its own."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def command(*arguments: str | Path) -> list[str]:
    """`python -m serve.run` with arguments."""
    return [sys.executable, "-m", "serve.run", *map(str, arguments)]


_ANY_CLIP = ("--quality-search", "off", "--quality-enrol", "off")
"""The clips of most tests show nobody."""


@contextmanager
def running(*arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its address, once it is ready."""
    port = free_port()
    started = command(*_ANY_CLIP, *arguments, "--port", str(port), "--threads", "1")
    with subprocess.Popen(started, stderr=subprocess.PIPE, text=True) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            _await_ready(process, address)
            yield process, address
        finally:
            process.kill()


def _await_ready(process: subprocess.Popen[str], address: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr and process.stderr.read()
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=30) as reply:
                assert json.load(reply)["status"] == "ready"
        except urllib.error.URLError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("not ready within a minute")
