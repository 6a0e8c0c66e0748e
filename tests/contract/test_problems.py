"""Every error of the tree has a status, and what the server is to blame for stays inside."""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gait import errors
from serve.middleware.problems import HTTP_CODES, STATUS, gait_problem
from tests import services
from tests.services import identify

pytestmark = pytest.mark.serving


def _tree(root: type[errors.GaitError]) -> Iterator[type[errors.GaitError]]:
    yield root
    for below in root.__subclasses__():
        yield from _tree(below)


EVERY = sorted(
    {each for each in _tree(errors.GaitError) if each.__module__ == errors.__name__},
    key=lambda error: error.__name__,
)
"""Without those of `bench`, which another test may have imported."""


@pytest.mark.parametrize("error", EVERY)
def test_every_error_is_mapped(error: type[errors.GaitError]) -> None:
    assert error in STATUS, f"{error.__name__} has no status in serve/middleware/problems.py"


def test_nothing_is_mapped_that_does_not_exist() -> None:
    assert set(STATUS) <= set(EVERY)


@pytest.mark.parametrize("error", EVERY)
def test_only_the_clients_faults_are_told(
    error: type[errors.GaitError], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, logger="serve")
    response = gait_problem("42", error("secret words", subject="x", code="forged"))
    body = json.loads(bytes(response.body))
    assert (body["code"], body["request_id"], body["status"]) == (
        error.code,
        "42",
        response.status_code,
    )
    told = "secret words" in body["detail"]
    clients = response.status_code < 500 or issubclass(error, errors.ServiceError)
    assert told == clients
    assert bool(caplog.records) != clients


def test_an_unforeseen_error_shows_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("inner secret")

    with services.opened(tmp_path) as service:
        monkeypatch.setattr(service, "decode", broken)
        with services.client(service, raise_server_exceptions=False) as client:
            reply = identify(client, b"x")
    assert (reply.status_code, reply.json()["code"]) == (500, "internal")
    assert "secret" not in reply.text
    assert "Traceback" not in reply.text
    assert reply.headers["X-Request-ID"] == reply.json()["request_id"]


def test_the_table_of_errors_is_complete() -> None:
    text = (Path(__file__).parents[2] / "docs" / "service.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z_.]+)` \| (\d+) \|", text, re.MULTILINE))
    for error, status in STATUS.items():
        if status != 500:
            assert rows.get(error.code) == str(int(status)), error.code
    for status, code in HTTP_CODES.items():
        assert rows.get(code) == str(int(status)), code


def test_every_code_in_the_source_is_in_the_table() -> None:
    root = Path(__file__).parents[2]
    text = (root / "docs" / "service.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([a-z_.]+)`", text, re.MULTILINE))
    source = "".join(path.read_text(encoding="utf-8") for path in (root / "serve").rglob("*.py"))
    codes = set(re.findall(r'"((?:request|access|service|clips)\.[a-z_]+)"', source))
    assert {"request.too_slow", "access.key", "clips.none_usable"} <= codes
    assert codes - rows == set()
