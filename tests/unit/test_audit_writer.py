"""Records that wait for each other are written together, and a broken one takes no other along."""

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from gait.errors import AuditUnavailableError, StorageError
from serve.audit.log import AuditLog
from serve.audit.record import AuditEntry, Record
from serve.audit.verify import verify
from serve.audit.writer import Writer
from tests.audits import MASTER, key_of, used

pytestmark = pytest.mark.serving

CROWD = 20


class Disk:
    """Appends of a log, the first of which waits until everybody else has arrived."""

    def __init__(self, audit: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
        self.appends: list[int] = []
        self.entered, self.go = threading.Event(), threading.Event()
        self.fails: Exception | None = None
        real: Callable[..., list[AuditEntry]] = audit._append

        def append(records: list[Record]) -> list[AuditEntry]:
            self.appends.append(len(records))
            if len(self.appends) == 1:
                self.entered.set()
                assert self.go.wait(20)
            elif self.fails is not None:
                raise self.fails
            return real(records)

        monkeypatch.setattr(audit, "_append", append)


def _crowd(
    audit: AuditLog, disk: Disk, intent: int | None = None
) -> dict[int, AuditEntry | AuditUnavailableError]:
    """What came of records that arrive while another is being written."""
    writer = Writer(audit)

    async def write(number: int) -> AuditEntry | AuditUnavailableError:
        try:
            return await writer.write(partial(used, number, intent=intent if number else None))
        except AuditUnavailableError as error:
            return error

    async def crowd() -> dict[int, AuditEntry | AuditUnavailableError]:
        first = asyncio.ensure_future(write(0))
        assert await asyncio.to_thread(disk.entered.wait, 20)
        others = [asyncio.ensure_future(write(number)) for number in range(1, CROWD + 1)]
        await asyncio.sleep(0)  # all of them have arrived
        disk.go.set()
        return dict(enumerate(await asyncio.gather(first, *others)))

    try:
        return asyncio.run(crowd())
    finally:
        writer.close()


def test_those_who_wait_are_written_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with AuditLog.open(tmp_path, MASTER) as audit:
        disk = Disk(audit, monkeypatch)
        ended = _crowd(audit, disk)
    assert disk.appends == [1, CROWD]
    entries = {n: each for n, each in ended.items() if isinstance(each, AuditEntry)}
    assert {n: each.request for n, each in entries.items()} == {
        n: used(n).request for n in range(CROWD + 1)
    }, "everybody gets the entry of their own record"
    report = verify(tmp_path, key_of(tmp_path))
    assert (report.intact, report.records) == (True, CROWD + 2)


def test_those_who_wait_are_refused_at_once_and_outcomes_are_owed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with AuditLog.open(tmp_path, MASTER) as audit:
        disk = Disk(audit, monkeypatch)
        disk.fails = StorageError("no space left")
        ended = _crowd(audit, disk, intent=1)
        assert isinstance(ended.pop(0), AuditEntry)
        assert all(isinstance(each, AuditUnavailableError) for each in ended.values())
        disk.fails = None
        last = audit.write(used(99))
        assert last.sequence == CROWD + 3, "what was owed came first"


def test_a_record_that_a_defect_broke_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with AuditLog.open(tmp_path, MASTER) as audit:
        disk = Disk(audit, monkeypatch)
        disk.go.set()
        audit.write(used(1))
        disk.fails = ZeroDivisionError()
        with pytest.raises(ZeroDivisionError):
            audit.write(used(2, intent=1))
        disk.fails = None
        assert audit.write(used(3)).sequence == 3, "or no use could be recorded any more"


def test_a_record_that_cannot_be_sealed_takes_no_other_along(tmp_path: Path) -> None:
    """Such as none can be made, but by a defect."""
    (shown,) = used().candidates[:1]
    broken = used(2, candidates=(shown.model_copy(update={"similarity": float("nan")}),), intent=1)

    async def together(writer: Writer) -> list[AuditEntry | BaseException]:
        records = [used(1), broken, used(3)]
        return await asyncio.gather(
            *(writer.write(partial(lambda record: record, each)) for each in records),
            return_exceptions=True,
        )

    with AuditLog.open(tmp_path, MASTER) as audit:
        writer = Writer(audit)
        first, failed, last = asyncio.run(together(writer))
        writer.close()
        assert isinstance(failed, ValueError)
        assert isinstance(first, AuditEntry)
        assert isinstance(last, AuditEntry)
        assert audit.write(used(4)).sequence == 4
    assert verify(tmp_path, key_of(tmp_path)).intact


def test_nobody_waits_for_a_record_that_a_defect_broke(tmp_path: Path) -> None:
    def broken() -> Record:
        raise ZeroDivisionError

    async def write(writer: Writer) -> AuditEntry:
        with pytest.raises(ZeroDivisionError):
            await writer.write(broken)
        return await writer.write(used)

    with AuditLog.open(tmp_path, MASTER) as audit:
        writer = Writer(audit)
        assert asyncio.run(write(writer)).sequence == 2
        writer.close()


def test_a_record_that_a_defect_broke_takes_no_other_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Record:
        raise ZeroDivisionError

    async def together(writer: Writer, disk: Disk) -> list[AuditEntry | BaseException]:
        first = asyncio.ensure_future(writer.write(partial(used, 1)))
        assert await asyncio.to_thread(disk.entered.wait, 20)
        others = [asyncio.ensure_future(writer.write(each)) for each in (broken, partial(used, 2))]
        await asyncio.sleep(0)
        disk.go.set()
        return await asyncio.gather(first, *others, return_exceptions=True)

    with AuditLog.open(tmp_path, MASTER) as audit:
        writer = Writer(audit)
        first, failed, last = asyncio.run(together(writer, Disk(audit, monkeypatch)))
        writer.close()
    assert isinstance(failed, ZeroDivisionError)
    assert isinstance(first, AuditEntry)
    assert isinstance(last, AuditEntry)
    assert (first.sequence, last.sequence) == (2, 3)


def test_what_nobody_waits_for_any_more_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def leave(writer: Writer, disk: Disk) -> None:
        waiting = [asyncio.ensure_future(writer.write(partial(used, n))) for n in (1, 2)]
        assert await asyncio.to_thread(disk.entered.wait, 20)
        for each in waiting:
            each.cancel()
        await asyncio.wait(waiting)

    with AuditLog.open(tmp_path, MASTER) as audit:
        writer, disk = Writer(audit), Disk(audit, monkeypatch)
        asyncio.run(leave(writer, disk))
        disk.go.set()
        writer.close()
        assert [each.request for each in audit.select("sequence > 1")] == [
            used(1).request,
            used(2).request,
        ]
