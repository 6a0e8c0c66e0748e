"""The servers that the tests start: who gets in, and that they end with their owner."""

import os
import select
import subprocess
import sys
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from tests import servers
from tests.certificates import write_certificates

pytestmark = pytest.mark.serving


def _ask(
    url: str, question: LiteralString = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
) -> object:
    with psycopg.connect(url, connect_timeout=10) as connection:
        row = connection.execute(question).fetchone()
    assert row is not None
    return row[0]


def test_postgres_asks_for_a_password(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = "SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'"
    assert str(_ask(postgres_url, hashed)).startswith("SCRAM-SHA-256$")
    monkeypatch.setenv("PGPASSWORD", "another")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        _ask(postgres_url)


def test_postgres_over_tls_is_verified(postgres: servers.Facts, tmp_path: Path) -> None:
    servers.execute(postgres, f"CREATE ROLE tls LOGIN PASSWORD '{servers.PASSWORD}'")
    try:
        url = servers.postgres_address(postgres, "postgres", "tls")
        verified = f"{url}?sslmode=verify-full&sslrootcert={postgres['ca']}"
        assert _ask(verified) is True
        with pytest.raises(psycopg.OperationalError, match="does not match host name"):
            _ask(verified.replace("localhost", "127.0.0.1"))
        other = write_certificates(tmp_path, ["localhost"])
        with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
            _ask(f"{url}?sslmode=verify-full&sslrootcert={other}")
        with pytest.raises(psycopg.OperationalError, match="rejects connection"):
            _ask(f"{url}?sslmode=disable")
    finally:
        servers.execute(postgres, "DROP ROLE tls")


def test_a_server_ends_with_the_process_that_wanted_it(tmp_path: Path) -> None:
    wanting = (
        "import os, pathlib, signal, sys; from tests import servers;"
        "print(servers.start('postgres', pathlib.Path(sys.argv[1]))['keeper'], flush=True);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = {n: v for n, v in os.environ.items() if n != "PYTEST_XDIST_WORKER"}
    found = subprocess.run(
        [sys.executable, "-c", wanting, tmp_path],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert found.returncode == -9
    try:
        keeper = os.pidfd_open(int(found.stdout))
    except ProcessLookupError:
        return
    assert select.select([keeper], [], [], 30)[0], "the keeper lives on"
    os.close(keeper)
