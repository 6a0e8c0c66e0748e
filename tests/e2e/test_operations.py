"""What docs/operations.md says is done here, word for word."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gait.errors import AuditBrokenError, GaitError
from gait.modality import Modality
from gallery.record.master_key import FILE_VARIABLE, VARIABLE, MasterKey
from serve.audit.verify import verify
from serve.settings import load_settings
from serve.work.service import Service
from tests import services
from tests.services import add, enrol, identify, probe

pytestmark = pytest.mark.serving

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/operations.md").read_text("utf-8")
CLIP = probe(1, Modality.SILHOUETTE)


def _procedure(heading: str) -> str:
    """The last block of commands of a section."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.+?)^```", section, re.M | re.S)
    assert blocks, heading
    return str(blocks[-1])


def _done(commands: str, folder: Path) -> str:
    python = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{python}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout


def _start(folder: Path, key: str, monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setenv(FILE_VARIABLE, str(folder / "secrets" / key))
    return Service.open(load_settings(data=folder / "data", threads=1))


def test_the_master_key_is_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    MasterKey.generate().save(tmp_path / "secrets" / "master.key")
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "secrets" / "master.key"))
    with services.opened(tmp_path) as service:
        client = services.client(service)
        client.post("/v1/galleries", json={"gallery": "site-7"})
        enrol(client, 2)
        add(client, "anna", [CLIP], "site-7")
        before = identify(client, CLIP).json()
    assert re.search(r"^\d+ records", _done(_procedure("Rotate keys"), tmp_path), re.M)
    with pytest.raises(GaitError):
        _start(tmp_path, "master.key", monkeypatch)
    service = _start(tmp_path, "next.key", monkeypatch)
    try:
        client = services.client(service)
        after = identify(client, CLIP).json()
        assert after["candidates"] == before["candidates"]
        assert identify(client, CLIP, {"gallery": "site-7"}).json()["candidates"]
        known = [before["audit_id"], after["audit_id"]]
        assert verify(tmp_path / "data", service.audit.key, known).intact
    finally:
        service.close()


def test_records_are_backed_up_and_put_back(tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    with services.opened(tmp_path) as service:
        kept = identify(services.client(service), CLIP).headers["X-Audit-ID"]
        _done(_procedure("Back up and restore"), tmp_path)
        lost = identify(services.client(service), CLIP).headers["X-Audit-ID"]
    (tmp_path / "data" / "audit.db").unlink()
    with pytest.raises(AuditBrokenError, match="is gone"), services.opened(tmp_path):
        pass
    for name in ("audit.db", "audit.key"):
        (tmp_path / "backups" / "audit-monday" / name).replace(tmp_path / "data" / name)
    with services.opened(tmp_path) as service:
        assert service.audit.find(kept)
        report = verify(tmp_path / "data", service.audit.key, [kept, lost])
        assert [problem.split(",")[0] for _, problem in report.findings] == [lost]
