"""Records that arrive together are written together, and fail together."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gait.errors import AuditUnavailableError, StorageError
from serve.audit.chain import Chain
from serve.audit.record import Entry
from serve.audit.trail import Audit
from serve.audit.verify import verify
from tests.audits import KEYS, used

pytestmark = pytest.mark.serving

CROWD = 20


class Disk:
    """Appends of a chain, the first of which waits until everybody else has arrived."""

    def __init__(self, chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
        self.appends: list[int] = []
        self.entered, self.go = threading.Event(), threading.Event()
        self.fails: Exception | None = None
        real: Callable[..., list[Entry]] = chain.append

        def append(*records: Any) -> list[Entry]:
            self.appends.append(len(records))
            if len(self.appends) == 1:
                self.entered.set()
                assert self.go.wait(20)
            elif self.fails is not None:
                raise self.fails
            return real(*records)

        monkeypatch.setattr(chain, "append", append)


def crowd(audit: Audit, disk: Disk, intent: int | None = None) -> dict[int, Entry | Exception]:
    """What came of records that arrive while another is being written."""
    ended: dict[int, Entry | Exception] = {}

    def write(number: int) -> None:
        try:
            ended[number] = audit.write(used(number, intent=intent if number else None))
        except AuditUnavailableError as error:
            ended[number] = error

    threads = [threading.Thread(target=write, args=(number,)) for number in range(CROWD + 1)]
    threads[0].start()
    assert disk.entered.wait(20)
    for thread in threads[1:]:
        thread.start()
    while len(audit._waiting) < CROWD:
        assert all(thread.is_alive() for thread in threads)
    disk.go.set()
    for thread in threads:
        thread.join(20)
    return ended


def test_those_who_wait_are_written_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = Audit.open(tmp_path, KEYS)
    disk = Disk(audit._chain, monkeypatch)
    ended = crowd(audit, disk)
    assert disk.appends == [1, CROWD]
    entries = {n: each for n, each in ended.items() if isinstance(each, Entry)}
    assert {n: each.record for n, each in entries.items()} == {
        n: used(n) for n in range(CROWD + 1)
    }, "everybody gets the entry of their own record"
    audit.close()
    report = verify(tmp_path, KEYS)
    assert report.intact, report
    assert report.records == CROWD + 2


def test_those_who_wait_are_refused_at_once_and_outcomes_are_owed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = Audit.open(tmp_path, KEYS)
    disk = Disk(audit._chain, monkeypatch)
    disk.fails = StorageError("no space left")
    ended = crowd(audit, disk, intent=1)
    assert isinstance(ended.pop(0), Entry)
    assert all(isinstance(each, AuditUnavailableError) for each in ended.values())
    assert len(audit._owed) == CROWD
    disk.fails = None
    last = audit.write(used(99))
    assert last.sequence == CROWD + 3, "what was owed came first"
    assert not audit._owed
    audit.close()


def test_nobody_waits_for_a_group_that_a_defect_broke(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = Audit.open(tmp_path, KEYS)

    def broken(*_: Any) -> list[Entry]:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(audit._chain, "append", broken)
        with pytest.raises(ZeroDivisionError):
            audit.write(used())
    assert audit.write(used(1)).record == used(1)
    audit.close()
