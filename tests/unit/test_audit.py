"""Records that are added and never changed: whatever is done to them is found, and where."""

import itertools
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gait.errors import (
    AuditBrokenError,
    AuditError,
    AuditNotFoundError,
    AuditUnavailableError,
    StorageError,
)
from gallery.record.master_key import MasterKey
from serve.audit import key as keys
from serve.audit import record as records
from serve.audit.key import rewrap
from serve.audit.log import FILE, AuditLog
from serve.audit.record import GENESIS, Action, Outcome, Record, ShownCandidate
from serve.audit.search import Filter, moment
from serve.audit.verify import verify
from tests.audits import MASTER, filled, key_of, tamper, used

pytestmark = pytest.mark.serving

OTHER = MasterKey(bytes(32))
EDIT = "UPDATE records SET text = replace(text, 'anna', 'carl') WHERE sequence = "
SWAP = (
    "UPDATE records SET sequence = 99 WHERE sequence = 5",
    "UPDATE records SET sequence = 5 WHERE sequence = 6",
    "UPDATE records SET sequence = 6 WHERE sequence = 99",
)
MAKE_ROOM = "UPDATE records SET sequence = sequence + 100 WHERE sequence > 4"
MOVE_UP = "UPDATE records SET sequence = sequence - 99 WHERE sequence > 100"
FORGE = "INSERT INTO records SELECT 5, replace(text, 'anna', 'carl'), hash FROM records"
COPY = "INSERT INTO records SELECT 5, text, hash FROM records"


def _found(folder: Path, *known: str) -> list[int]:
    """Numbers of the records in which something is wrong."""
    return [number for number, _ in verify(folder, key_of(folder), known).findings]


def test_each_record_names_the_hash_of_the_one_before(tmp_path: Path) -> None:
    entries = filled(tmp_path)
    assert [each.sequence for each in entries] == list(range(1, 11))
    assert entries[0].previous == GENESIS
    for before, after in itertools.pairwise(entries):
        assert after.previous == before.hash
    assert entries[0].action is Action.BEGIN_LOG
    report = verify(tmp_path, key_of(tmp_path), [entries[3].hash, entries[-1].audit_id])
    assert (report.intact, report.records, report.notices) == (True, 10, [])
    assert report.head == entries[-1]


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    record = used(subject="Zoë \U0001f6b6", detail='"\n\x1b[2J', templates=(1, 2))
    with AuditLog.open(tmp_path, MASTER) as audit:
        entry = audit.write(record)
    with AuditLog.open(tmp_path, MASTER) as audit:
        assert audit.find(entry.audit_id) == entry == audit.last()
        for wrong in ("2", "", "2-", f"3-{entry.hash[:16]}", f"2-{'0' * 16}", "9" * 40 + "-0"):
            with pytest.raises(AuditNotFoundError):
                audit.find(wrong)
    assert {name: getattr(entry, name) for name in Record.model_fields} == dict(record)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\x00\x1b[31m\r\n", "\u202e", "\U0010ffff"])
def test_any_text_can_be_written_read_and_shown(tmp_path: Path, text: str) -> None:
    master = MasterKey.load()
    with AuditLog.open(tmp_path, master) as audit:
        fields = ("caller", "purpose", "gallery", "subject", "decision", "reviewer", "detail")
        known: dict[str, Any] = dict.fromkeys(fields, text)
        audit.write(used(**known))
        (entry,) = audit.select("sequence = 2")
    assert json.loads(entry.model_dump_json())["subject"] == entry.subject
    shown = _command("show", str(tmp_path))
    lines = shown.stdout.split("\n")[:-1]
    assert len(lines) == 2, shown.stderr
    assert all(line.isprintable() for line in lines)
    assert _command("show", str(tmp_path), "--json").returncode == 0
    assert _command("verify", str(tmp_path)).returncode == 0


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        ([f"{EDIT} 5"], [5]),
        ([f"{EDIT} 10"], [10]),
        ([f"{EDIT} 5", f"{EDIT} 6"], [5, 6]),
        (["UPDATE records SET text = 'x', hash = '' WHERE sequence = 1"], [1, 1]),
        (["UPDATE records SET text = CAST(x'ff' AS TEXT), hash = 'ü' WHERE sequence = 2"], [2]),
        (["UPDATE records SET hash = upper(hash) WHERE sequence = 4"], [4]),
        (["DELETE FROM records WHERE sequence = 5"], [5]),
        (["DELETE FROM records WHERE sequence IN (3, 4, 8)"], [3, 8]),
        (["DELETE FROM records WHERE sequence < 4"], [1]),
        (["DELETE FROM records WHERE sequence = 5",
          "UPDATE records SET sequence = 5 WHERE sequence = 6"], [5, 6]),
        ([*SWAP], [5, 6]),
        ([MAKE_ROOM, f"{FORGE} WHERE sequence = 3", MOVE_UP], [5, *range(6, 12)]),
        ([MAKE_ROOM, f"{COPY} WHERE sequence = 3", MOVE_UP], [5, *range(6, 12)]),
        (["INSERT INTO records SELECT 11, text, hash FROM records WHERE sequence = 10"], [11]),
        (["INSERT INTO records SELECT 11, '{}', hash FROM records WHERE sequence = 10"], [11]),
        (["DELETE FROM records WHERE sequence = 10"], [10]),
        (["DELETE FROM records WHERE sequence > 4"], [5]),
        (["DELETE FROM records"], [1]),
        ([f"{EDIT} 9", "DELETE FROM records WHERE sequence = 10"], [9, 10]),
        (["DELETE FROM head"], [10]),
        (["UPDATE head SET sequence = 9"], [10]),
        (["DELETE FROM records WHERE sequence = 10", "UPDATE head SET sequence = 9,"
          " hash = (SELECT hash FROM records WHERE sequence = 9)"], [9]),
        (["DROP TABLE records", "CREATE TABLE records (sequence, text, hash)"], [1]),
        (["DROP TABLE records"], [1, 1]),
        (["DROP TABLE head"], [1, 0]),
    ],
)  # fmt: skip
def test_whatever_is_done_is_found_and_where(
    tmp_path: Path, statements: list[str], found: list[int]
) -> None:
    filled(tmp_path)
    tamper(tmp_path, *statements)
    assert _found(tmp_path) == found


def test_a_change_anywhere_in_a_record_is_found(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    filled(tmp_path / "a")
    for place in range(0, 400, 37):
        folder = tmp_path / str(place)
        shutil.copytree(tmp_path / "a", folder)
        change = f"substr(text, 1, {place}) || 'X' || substr(text, {place} + 2)"
        tamper(folder, f"UPDATE records SET text = {change} WHERE sequence = 5")
        assert _found(folder) == [5]


def test_a_damaged_or_missing_file_is_found(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / FILE).write_bytes(b"x" * 5000)
    assert _found(tmp_path)
    with pytest.raises(StorageError):
        AuditLog.open(tmp_path, MASTER)
    (tmp_path / FILE).unlink()
    assert _found(tmp_path)
    with pytest.raises(AuditBrokenError, match="is gone"):
        AuditLog.open(tmp_path, MASTER)


def test_nothing_is_added_to_a_log_that_was_cut_off(tmp_path: Path) -> None:
    filled(tmp_path)
    tamper(tmp_path, "DELETE FROM records WHERE sequence > 7")
    with pytest.raises(AuditBrokenError, match="ends at record 7, and its head says 10"):
        AuditLog.open(tmp_path, MASTER)


def test_older_files_put_back_are_found_by_a_head_kept_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    filled(tmp_path / "data")
    shutil.copytree(tmp_path / "data", tmp_path / "before")
    with AuditLog.open(tmp_path / "data", MASTER) as audit:
        kept = audit.write(used())
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "before").rename(tmp_path / "data")
    assert _found(tmp_path / "data") == []  # this is what cannot be found without one
    for name in (kept.hash, kept.audit_id):
        assert _found(tmp_path / "data", name) == [10]


def test_a_log_that_went_on_from_an_older_state_does_not_fit_the_newer(tmp_path: Path) -> None:
    """Records of both, mixed: each is authentic, and they do not follow each other."""
    (tmp_path / "one").mkdir()
    filled(tmp_path / "one", 3)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    for name in ("one", "two"):
        with AuditLog.open(tmp_path / name, MASTER) as audit:
            for number in range(3):
                audit.write(used(number, purpose=name))
    tamper(
        tmp_path / "one",
        f"ATTACH '{tmp_path / 'two' / FILE}' AS other",
        "DELETE FROM records WHERE sequence = 6",
        "INSERT INTO records SELECT * FROM other.records WHERE sequence = 6",
    )
    assert _found(tmp_path / "one") == [6, 7]


def test_another_master_key_opens_nothing(tmp_path: Path) -> None:
    filled(tmp_path)
    with pytest.raises(AuditBrokenError, match=f"master key {OTHER.id}"):
        AuditLog.open(tmp_path, OTHER)


def test_another_master_key_wraps_the_key_and_every_record_verifies(tmp_path: Path) -> None:
    entries = filled(tmp_path)
    key = key_of(tmp_path)
    for _ in range(2):  # the second finds it done
        rewrap(tmp_path, MASTER, OTHER)
    with pytest.raises(AuditBrokenError):
        AuditLog.open(tmp_path, MASTER)
    with AuditLog.open(tmp_path, OTHER) as audit:
        assert audit.key.secret == key.secret
        audit.write(used())
        assert audit.find(entries[3].audit_id) == entries[3]
    assert verify(tmp_path, key, [entries[-1].hash]).intact
    with pytest.raises(AuditBrokenError):
        rewrap(tmp_path, MASTER, MasterKey(bytes(range(1, 33))))


@pytest.mark.parametrize("change", [{"begun": False}, {"wrapped": "AAAA"}, {"wrapped": 7}, None])
def test_an_altered_key_file_is_refused(tmp_path: Path, change: dict[str, Any] | None) -> None:
    filled(tmp_path)
    path = tmp_path / keys.FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | change) if change else "[]")
    with pytest.raises(AuditBrokenError, match="damaged"):
        AuditLog.open(tmp_path, MASTER)


def test_a_key_that_is_gone_is_no_new_beginning(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / keys.FILE).unlink()
    with pytest.raises(AuditBrokenError):
        AuditLog.open(tmp_path, MASTER)


def test_nothing_is_written_into_a_file_that_was_moved_away(tmp_path: Path) -> None:
    filled(tmp_path)
    path, away = tmp_path / FILE, tmp_path / "away"
    with AuditLog.open(tmp_path, MASTER) as audit:
        path.rename(away)
        with pytest.raises(AuditUnavailableError, match="put it back"):
            audit.write(used())
        shutil.copy(away, path)
        with pytest.raises(AuditUnavailableError, match="put it back"):
            audit.write(used())
        away.replace(path)
        entry = audit.write(used())
    assert verify(tmp_path, key_of(tmp_path), [entry.hash]).intact


def test_equal_clips_have_equal_hashes_that_need_the_key() -> None:
    one, other = keys.AuditKey(bytes(32)), keys.AuditKey()
    assert one.probe(b"clip") == keys.AuditKey(bytes(32)).probe(b"clip")
    assert len({one.probe(b"clip"), one.probe(b"other"), other.probe(b"clip")}) == 3


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_files_are_for_their_owner_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        filled(tmp_path)
        with AuditLog.open(tmp_path, MASTER) as audit:
            audit.write(used())
            audit.backup(tmp_path / "copy")
            made = [path for path in tmp_path.rglob("*") if path.is_file()]
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in made}
    finally:
        os.umask(before)
    assert {f"{FILE}-wal", FILE, keys.FILE} <= set(modes)
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) & 0o077 == 0


def test_a_clock_that_steps_back_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Past(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Past":
            return super().now(tz) - timedelta(hours=1)

    filled(tmp_path, 1)
    with AuditLog.open(tmp_path, MASTER) as audit:
        monkeypatch.setattr(records, "datetime", Past)
        audit.write(used())
    report = verify(tmp_path, key_of(tmp_path))
    assert (report.intact, report.notices) == (True, ["at record 3 the clock had stepped back"])


def test_two_processes_share_one_order(tmp_path: Path) -> None:
    with AuditLog.open(tmp_path, MASTER) as one, AuditLog.open(tmp_path, MASTER) as two:
        for number in range(4):
            (one if number % 2 else two).write(used(number))
        assert one.last() == two.last()
    report = verify(tmp_path, key_of(tmp_path))
    assert (report.intact, report.records) == (True, 5)


def _changed(**known: Any) -> Record:
    given: dict[str, Any] = {"action": Action.ENROL, "outcome": Outcome.DONE, "subject": "anna"}
    return Record(**given | {"request": "f" * 32, "caller": "0a1b2c3d"} | known)


def test_a_full_disk_is_said_and_what_is_owed_comes_first(tmp_path: Path) -> None:
    with AuditLog.open(tmp_path, MASTER) as audit:
        intent = audit.write(_changed(outcome=Outcome.INTENDED))
        _full(audit, True)
        with pytest.raises(AuditUnavailableError, match="full"):
            _fill(audit)
        last = audit.last()
        outcome = _changed(intent=intent.sequence, detail="x" * 100_000)
        with pytest.raises(AuditUnavailableError):
            audit.write(outcome)
        with pytest.raises(AuditUnavailableError):  # nothing else may happen before
            audit.write(_changed(outcome=Outcome.INTENDED))
        _full(audit, False)
        later = audit.write(used())
        assert later.sequence == last.sequence + 2
        before = audit.select("sequence = ?", (later.sequence - 1,))[0]
        assert before.detail == outcome.detail
        assert audit.settle() == 0
    assert verify(tmp_path, key_of(tmp_path)).intact


def _fill(audit: AuditLog) -> None:
    for number in range(100):
        audit.write(used(number, detail="x" * 1000))


def _full(audit: AuditLog, full: bool) -> None:
    """The disk is full for everything but a few records, or has space again."""
    pages = audit._db.execute("PRAGMA page_count").fetchone()[0] + 2 if full else 1 << 30
    audit._db.execute(f"PRAGMA max_page_count = {pages}")


def test_a_change_whose_outcome_was_never_written_has_an_unknown_one(tmp_path: Path) -> None:
    with AuditLog.open(tmp_path, MASTER) as audit:
        done, lost = (audit.write(_changed(outcome=Outcome.INTENDED)) for _ in range(2))
        audit.write(_changed(intent=done.sequence))
    report = verify(tmp_path, key_of(tmp_path))
    assert (report.intact, report.notices) == (True, ["changes without an outcome: [3]"])
    with AuditLog.open(tmp_path, MASTER) as audit:
        settled = audit.last()
        assert (settled.outcome, settled.intent) == (Outcome.UNKNOWN, lost.sequence)
        assert settled.subject == "anna"
        assert audit.settle() == 0
    assert verify(tmp_path, key_of(tmp_path)).notices == []


def test_old_records_are_retired_and_the_rest_verifies(tmp_path: Path) -> None:
    entries = filled(tmp_path)
    with AuditLog.open(tmp_path, MASTER) as running, AuditLog.open(tmp_path, MASTER) as audit:
        assert audit.retire(moment("2020-01-01")) == 0
        audit.backup(tmp_path / "kept")
        assert audit.retire(moment(entries[6].time)) == 6
        assert running.write(used()).sequence == 12
        with pytest.raises(AuditNotFoundError):
            running.find(entries[5].audit_id)
        assert running.find(entries[6].audit_id) == entries[6]
    report = verify(tmp_path, key_of(tmp_path), [entries[5].hash, entries[5].audit_id])
    assert (report.intact, report.records) == (True, 6)
    assert report.notices == ["records 1–6 were retired"]
    copy = verify(tmp_path / "kept", key_of(tmp_path / "kept"), [each.hash for each in entries])
    assert (copy.intact, copy.records) == (True, 10)
    tamper(tmp_path, "DELETE FROM records WHERE sequence < 9")
    assert _found(tmp_path) == [1]


def test_a_change_under_way_and_the_last_record_are_not_retired(tmp_path: Path) -> None:
    filled(tmp_path, 2)
    with AuditLog.open(tmp_path, MASTER) as audit:
        intent = audit.write(_changed(outcome=Outcome.INTENDED))
        audit.write(used())
        assert audit.retire(datetime.now(UTC)) == 3
        outcome = audit.write(_changed(intent=intent.sequence))
        assert audit.retire(datetime.now(UTC)) == outcome.sequence - 4
        assert audit.retire(datetime.now(UTC)) == 1
        assert len(audit.select("TRUE")) == 2  # that record, and the one of its going
    assert verify(tmp_path, key_of(tmp_path)).intact


def test_a_copy_is_never_made_over_another(tmp_path: Path) -> None:
    filled(tmp_path)
    with AuditLog.open(tmp_path, MASTER) as audit:
        audit.backup(tmp_path / "copy")
        with pytest.raises(StorageError, match="cannot make the copy"):
            audit.backup(tmp_path / "copy")


def test_a_similarity_that_is_no_number_is_no_record() -> None:
    with pytest.raises(ValidationError, match="finite"):
        ShownCandidate(subject="anna", similarity=float("nan"), template=1)


def test_records_are_chosen_by_what_they_say(tmp_path: Path) -> None:
    with AuditLog.open(tmp_path, MASTER) as audit:
        audit.write(used(1))
        audit.write(used(2, subject="carl", caller="ffffffff"))
        audit.write(_changed(gallery="site-7"))

        def chosen(**wanted: Any) -> list[int]:
            return [each.sequence for each in audit.select(*Filter(**wanted).sql())]

        assert chosen() == [1, 2, 3, 4]
        assert chosen(after=2) == [3, 4]
        assert chosen(subject="carl") == [3]
        assert chosen(subject="anna") == [2, 4]
        assert chosen(subject="bob", caller="0a1b2c3d") == [2]
        assert chosen(action="enrol", outcome="done") == [4]
        assert chosen(galleries=frozenset({"site-7"})) == [4]
        assert chosen(galleries=frozenset()) == []
        assert chosen(since="2026-01-01") == [1, 2, 3, 4]
        assert chosen(since="2999-01-01") == []


@pytest.mark.parametrize(
    "text", ["monday", "", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "2026-02-30"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(AuditError, match="need ISO 8601"):
        Filter(since=text).sql()


def _command(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "serve.audit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_commands(tmp_path: Path) -> None:
    data, copy = str(tmp_path / "data"), str(tmp_path / "copy")
    Path(data).mkdir()
    assert "no audit records" in _command("verify", data).stderr
    with AuditLog.open(Path(data), MasterKey.load()) as audit:
        audit.write(used(1))
        last = audit.write(used(2, subject="carl", caller="ffffffff"))
    told = _command("verify", data, "--head", last.audit_id).stdout.splitlines()
    assert told[-1] == last.hash
    (shown,) = _command("show", data, "--subject", "carl", "--json").stdout.splitlines()
    assert json.loads(shown)["caller"] == "ffffffff"
    assert len(_command("show", data, "--key", "0a1b2c3d").stdout.splitlines()) == 1
    assert _command("show", data, "--since", "2999-01-01").stdout == ""
    assert "need ISO 8601" in _command("show", data, "--since", "monday").stderr
    assert _command("backup", data, "--out", copy).returncode == 0
    assert _command("retire", data, "--before", "2999-01-01").stdout == "retired 2 records\n"
    assert _command("verify", data).returncode == _command("verify", copy).returncode == 0
    with closing(sqlite3.connect(Path(copy) / FILE)) as database, database:
        database.execute("UPDATE records SET text = '' WHERE sequence = 2")
    wrong = _command("verify", copy, "--json")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("error [audit.invalid]")
    report = json.loads(wrong.stdout)
    assert (report["intact"], report["findings"][0]["record"]) == (False, 2)
