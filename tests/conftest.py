"""Servers for tests that need one, and which modules can be imported.

Where the train extra is not installed, only the modules marked `serving` can be.
"""

import base64
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests import servers

HERE = Path(__file__).parent

os.environ["DIFFCROSSGAIT_MASTER_KEY"] = base64.b64encode(bytes(range(32))).decode()
os.environ.pop("DIFFCROSSGAIT_MASTER_KEY_FILE", None)
os.environ["PGPASSWORD"] = servers.PASSWORD

collect_ignore = (
    [
        str(module.relative_to(HERE))
        for module in HERE.rglob("test_*.py")
        if "pytest.mark.serving" not in module.read_text("utf-8")
    ]
    if importlib.util.find_spec("torch") is None
    else []
)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> servers.Facts:
    """The PostgreSQL of this test session."""
    return servers.of_session("postgres", tmp_path_factory)


@pytest.fixture
def postgres_url(postgres: servers.Facts, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A new database, removed afterwards: `postgresql://USER@HOST:PORT/DATABASE`.

    The password stands in PGPASSWORD, as galleries want it.
    """
    monkeypatch.setenv("PGPASSWORD", servers.PASSWORD)
    with servers.database(postgres) as url:
        yield url.replace(f":{quote(servers.PASSWORD)}@", "@")


@pytest.fixture(scope="session")
def milvus_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """`milvus://HOST:PORT` of the Milvus of this test session."""
    return f"milvus://127.0.0.1:{servers.of_session('milvus', tmp_path_factory)['port']}"
