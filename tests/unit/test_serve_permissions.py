"""What the service and the commands write is for its owner alone, whatever the umask."""

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gallery.backup import back_up
from gallery.identity import Identity
from gallery.opening import create_gallery
from gallery.restore import restore
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.work.permissions import open_to_others
from tests import services
from tests.galleries import TINY

pytestmark = pytest.mark.serving


@pytest.fixture(params=[0, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_nothing_is_open_to_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = tmp_path / "data"
    with services.opened(tmp_path) as service:
        KeyFile(data / "keys.json").new(Grant(scopes=()))
        Identity.make().save(data / "identity")
        client = services.client(service)
        services.enrol(client, 2)
        assert client.post("/v1/galleries", json={"gallery": "site-7"}).status_code == 201
        copy, keys = tmp_path / "copy", tmp_path / "copied-keys" / "default.db"
        back_up(str(data / "galleries/default"), copy, keys)
        service.audit.backup(tmp_path / "audit")
        restore(copy, keys, str(tmp_path / "restored"))
        names = {path.name for path in data.rglob("*")}
        assert {"gallery.db", "gallery.db-wal", "audit.db-wal", "lock", "keys.json"} <= names
        for folder in (data, copy, tmp_path / "audit", tmp_path / "restored", keys):
            assert [path for path in open_to_others(folder) if path.suffix != ".pub"] == []
    for path in (data, data / "galleries/site-7/bundle"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert "others on this machine" not in caplog.text
    create_gallery(tmp_path / "new/galleries/default", TINY).close()
    assert open_to_others(tmp_path / "new") == []


def test_what_is_open_is_named_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = tmp_path / "data"
    with services.opened(tmp_path):
        pass
    elsewhere = tmp_path / "elsewhere.json"
    KeyFile(elsewhere).new(Grant(scopes=()))
    found = [data, data / "audit.db", data / "galleries/default/gallery.db", elsewhere]
    for path in found:
        path.chmod(path.stat().st_mode | 0o040)
    with services.opened(tmp_path, keys=elsewhere):
        said = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    for path in found:
        assert f"others on this machine may open {path}: run `chmod go= {path}`" in said
    assert len(said) == len(found)


def test_of_many_open_files_some_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with services.opened(tmp_path):
        pass
    for number in range(25):
        path = tmp_path / f"data/{number}"
        path.touch()
        path.chmod(0o644)
    with services.opened(tmp_path):
        assert "and 15 more: run `chmod -R go= " in caplog.text
