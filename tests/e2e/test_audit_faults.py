"""Killed at any point or out of space: every acknowledged record is there, and no reply without."""

import multiprocessing
import random
import resource
import time
from contextlib import closing
from pathlib import Path

import pytest

from gait.modality import Modality
from serve.audit.log import AuditLog
from serve.audit.record import Action
from serve.audit.verify import verify
from tests import services
from tests.audit_faults import record_until_killed
from tests.audits import MASTER, filled, key_of
from tests.services import enrol, identify, probe

pytestmark = pytest.mark.serving
KILLS_IN_CODE, KILLS_IN_TIME = 60, 20
LINES = 1500
"""Of the audit's code: the opening and some dozens of records."""
CLIP = probe(0, Modality.SILHOUETTE)


def _killed(folder: Path, ledger: Path, lines: int, seconds: float = 0.0) -> list[str]:
    """The audit ids that a process acknowledged before it was killed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.audit_faults"])
    ledger.touch()
    arguments = (str(folder), str(ledger), lines)
    child = context.Process(target=record_until_killed, args=arguments)
    child.start()
    if not lines:
        deadline = time.monotonic() + 60
        while not ledger.stat().st_size and time.monotonic() < deadline:
            time.sleep(0.005)  # however slow the machine is, it is killed while it records
        time.sleep(seconds)
        child.kill()
    child.join(60)
    assert child.exitcode == -9, f"{lines} lines"
    return [line.strip() for line in ledger.read_text().splitlines()]


@pytest.mark.slow
def test_killed_at_any_point_every_acknowledged_record_is_there(tmp_path: Path) -> None:
    folder, rng = tmp_path / "data", random.Random(9)
    folder.mkdir()
    acknowledged = [entry.audit_id for entry in filled(folder, 3)]
    unsettled = 0
    for kill in range(KILLS_IN_CODE + KILLS_IN_TIME):
        lines = 1 + LINES * kill // KILLS_IN_CODE if kill < KILLS_IN_CODE else 0
        ledger = tmp_path / f"ledger-{kill}"
        acknowledged += _killed(folder, ledger, lines, rng.uniform(0.05, 0.3))
        report = verify(folder, key_of(folder), acknowledged)
        assert report.intact, f"kill {kill}: {report.findings}"
        unsettled += any("without an outcome" in notice for notice in report.notices)
        with closing(AuditLog.open(folder, MASTER)) as audit:
            assert audit.settle() == 0
        assert not verify(folder, key_of(folder), acknowledged).notices, f"kill {kill}"
    assert len(acknowledged) > 120 + KILLS_IN_TIME  # 128 by those in code
    assert unsettled > 10  # acts whose outcome the crash kept from being written


@pytest.mark.slow
def test_killed_while_it_begins_the_next_start_begins(tmp_path: Path) -> None:
    for lines in range(1, 121, 3):
        folder = tmp_path / f"{lines}"
        folder.mkdir()
        acknowledged = _killed(folder, tmp_path / f"ledger-{lines}", lines)
        AuditLog.open(folder, MASTER).close()
        assert verify(folder, key_of(folder), acknowledged).intact, f"{lines} lines"


def test_on_a_full_disk_no_candidates_leave(tmp_path: Path) -> None:
    with services.opened(tmp_path) as service:
        client = services.client(service)
        enrol(client, 2)
        told = [identify(client, CLIP).json()["audit_id"]]
        size = (tmp_path / "data" / "audit.db-wal").stat().st_size
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40_000, before[1]))
        try:
            replies = [identify(client, CLIP) for _ in range(12)]
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        refused = [reply for reply in replies if reply.status_code != 200]
        assert 0 < len(refused) < len(replies)
        for reply in refused:
            assert (reply.status_code, reply.json()["code"]) == (503, "audit.unavailable")
            assert "candidates" not in reply.json()
            assert "p00" not in reply.text
        told += [reply.json()["audit_id"] for reply in replies if reply.status_code == 200]
        told.append(identify(client, CLIP).json()["audit_id"])  # there is space again
        recorded = service.audit.select("sequence > 1", (), 1000)
        searches = [each for each in recorded if each.action is Action.IDENTIFY]
        assert [each.audit_id for each in searches] == told
    assert verify(tmp_path / "data", service.audit.key, told).intact
