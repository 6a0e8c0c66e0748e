"""Records that are added, and never changed."""

import itertools
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from gait.errors import (
    AuditBrokenError,
    AuditNotFoundError,
    AuditUnavailableError,
)
from gallery.record.master_key import MasterKey
from serve.audit import chain as chains
from serve.audit.chain import FILE, HEAD, Chain
from serve.audit.head import SLOT, HeadFile
from serve.audit.record import GENESIS, Action, Entry, Keys, Mark, Outcome, Record
from serve.audit.trail import Audit
from serve.audit.verify import verify
from tests.audits import KEYS, filled, used

pytestmark = pytest.mark.serving


def test_each_record_names_the_hash_of_the_one_before(tmp_path: Path) -> None:
    entries = filled(tmp_path)
    assert [each.sequence for each in entries] == list(range(1, 11))
    assert entries[0].previous == GENESIS
    for before, after in itertools.pairwise(entries):
        assert after.previous == before.hash
    assert entries[0].record.action is Action.OPEN_CHAIN
    assert entries[4].record == used(3)


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    record = replace(used(), subject="Zoë \U0001f6b6", detail='"', templates=(1, 2), intent=4)
    with Chain(tmp_path, KEYS) as chain:
        (entry,) = chain.append(record)
    with Chain(tmp_path, KEYS) as chain:
        assert chain.find(entry.sequence) == entry == chain.last()
        assert chain.find(99) is None
    assert entry.record == record
    assert json.loads(json.dumps(entry.as_json()))["candidates"][0]["similarity"] == 0.8713


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET body = '{}' WHERE sequence = 3",
        "DELETE FROM records WHERE sequence = 10",
        "INSERT OR REPLACE INTO records VALUES (10, '{}', '')",
        "INSERT INTO records VALUES (0, '{}', '')",
    ],
)
def test_the_file_itself_refuses_changes(tmp_path: Path, statement: str) -> None:
    filled(tmp_path)
    with (
        closing(sqlite3.connect(tmp_path / FILE)) as database,
        pytest.raises(sqlite3.IntegrityError, match="audit record"),
    ):
        database.execute(statement)
    assert verify(tmp_path, KEYS).intact


def test_equal_clips_have_equal_hashes_that_need_the_key() -> None:
    other = Keys(MasterKey(bytes(32)))
    assert KEYS.probe(b"clip") == KEYS.probe(b"clip")
    assert len({KEYS.probe(b"clip"), KEYS.probe(b"other"), other.probe(b"clip")}) == 3


def test_another_master_key_opens_nothing(tmp_path: Path) -> None:
    filled(tmp_path)
    with pytest.raises(AuditBrokenError, match="another master key"):
        Chain(tmp_path, Keys(MasterKey(bytes(32))))


def test_a_clock_that_steps_back_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Past(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Past":
            return super().now(tz) - timedelta(hours=1)

    entries = filled(tmp_path, 1)
    monkeypatch.setattr(chains, "datetime", Past)
    with Chain(tmp_path, KEYS) as chain:
        (back,) = chain.append(used())
        monkeypatch.undo()
        (after,) = chain.append(used())
    assert entries[-1].clock_back is None
    assert back.clock_back == pytest.approx(3600, abs=60)
    assert back.time < entries[-1].time
    assert (after.sequence, after.clock_back) == (back.sequence + 1, None)
    report = verify(tmp_path, KEYS)
    assert report.intact
    assert "clock stepped back" in report.notices[0]


def test_two_chains_open_at_once_share_one_order(tmp_path: Path) -> None:
    with Chain(tmp_path, KEYS) as one, Chain(tmp_path, KEYS) as two:
        for number in range(4):
            (one if number % 2 else two).append(used(number))
        assert one.last() == two.last()
    report = verify(tmp_path, KEYS)
    assert (report.intact, report.records) == (True, 5)


def test_a_torn_head_leaves_the_one_before(tmp_path: Path) -> None:
    entries = filled(tmp_path)
    torn = bytearray((tmp_path / HEAD).read_bytes())
    start = SLOT * (entries[-1].sequence % 2)
    torn[start + 40 : start + 60] = b"?" * 20
    (tmp_path / HEAD).write_bytes(torn)
    with HeadFile(tmp_path / HEAD, KEYS) as head:
        assert head.read() == entries[-2].mark
    assert verify(tmp_path, KEYS).intact
    with Chain(tmp_path, KEYS) as chain:
        assert chain.last() == entries[-1]
    with HeadFile(tmp_path / HEAD, KEYS) as head:
        assert head.read() == entries[-1].mark


def test_a_crash_between_record_and_head_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(self: HeadFile, mark: Mark) -> None:
        raise ZeroDivisionError

    filled(tmp_path)
    with Chain(tmp_path, KEYS) as chain, monkeypatch.context() as patched:
        patched.setattr(HeadFile, "write", dies)
        with pytest.raises(ZeroDivisionError):
            chain.append(used())
    assert verify(tmp_path, KEYS).intact
    with Chain(tmp_path, KEYS) as chain:
        assert chain.append(used())[0].sequence == 12
    assert verify(tmp_path, KEYS).records == 12


def test_a_full_disk_is_said_and_nothing_of_the_record_is_there(tmp_path: Path) -> None:
    with closing(Audit.open(tmp_path, KEYS)) as audit:
        audit.write(used())
        _full(audit, True)
        with pytest.raises(AuditUnavailableError, match="no space"):
            _fill(audit)
        last = audit.head()
        _full(audit, False)
        assert audit.write(used()).sequence == last.sequence + 1
    assert verify(tmp_path, KEYS).intact


def test_an_outcome_that_could_not_be_written_is_written_first_of_all(tmp_path: Path) -> None:
    with closing(Audit.open(tmp_path, KEYS)) as audit:
        intent = audit.begin(_enrolment())
        _full(audit, True)
        with pytest.raises(AuditUnavailableError):
            _fill(audit)
        outcome = replace(_enrolment(), intent=intent.sequence, detail="x" * 100_000)
        with pytest.raises(AuditUnavailableError):
            audit.write(outcome)
        with pytest.raises(AuditUnavailableError):  # nothing else may happen before
            audit.begin(_enrolment())
        _full(audit, False)
        later = audit.write(used())
        before = audit.select("sequence = ?", (later.sequence - 1,), 1)[0]
        assert before.record == outcome
        assert audit.settle() == 0


def test_an_act_whose_outcome_was_never_written_has_an_unknown_one(tmp_path: Path) -> None:
    audit = Audit.open(tmp_path, KEYS)
    done, lost = audit.begin(_enrolment()), audit.begin(_enrolment())
    audit.write(replace(_enrolment(), intent=done.sequence))
    audit.close()
    assert "without an outcome: [3]" in verify(tmp_path, KEYS).notices[0]
    with closing(Audit.open(tmp_path, KEYS)) as audit:
        settled = audit.head().record
        assert (settled.outcome, settled.intent) == (Outcome.UNKNOWN, lost.sequence)
        assert audit.settle() == 0
    assert verify(tmp_path, KEYS).notices == []


def test_a_record_is_found_by_its_whole_id_only(tmp_path: Path) -> None:
    with closing(Audit.open(tmp_path, KEYS)) as audit:
        entry = audit.write(used())
        assert audit.find(entry.audit_id) == entry
        for wrong in ("2", "", "2-", f"3-{entry.hash[:16]}", f"2-{'0' * 16}", "9" * 40 + "-0"):
            with pytest.raises(AuditNotFoundError):
                audit.find(wrong)


def _enrolment() -> Record:
    return Record(Action.ENROL, Outcome.DONE, "f" * 32, "0a1b2c3d", subject="anna")


def _full(audit: Audit, full: bool) -> None:
    """The disk is full for everything but a few records, or has space again."""
    pages = audit._chain._db.execute("PRAGMA page_count").fetchone()[0] + 2 if full else 1 << 30
    audit._chain._db.execute(f"PRAGMA max_page_count = {pages}")


def _fill(audit: Audit) -> Entry:
    for number in range(100):
        entry = audit.write(replace(used(number), detail="x" * 1000))
    return entry
