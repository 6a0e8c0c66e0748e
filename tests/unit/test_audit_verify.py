"""Whatever is done to the records, an auditor finds it and is told what it was."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gait.errors import AuditBrokenError, AuditError
from gallery.record.master_key import MasterKey
from serve.audit import rotation
from serve.audit.chain import FILE, HEAD, Chain
from serve.audit.record import Action, Keys
from serve.audit.search import Filter, search
from serve.audit.verify import ARCHIVE, Kind, archives, verify
from tests.audits import KEYS, filled, tamper, used

pytestmark = pytest.mark.serving

EDIT = "UPDATE records SET body = replace(body, 'anna', 'carl') WHERE sequence = "
SWAP = (
    "UPDATE records SET sequence = 99 WHERE sequence = 5",
    "UPDATE records SET sequence = 5 WHERE sequence = 6",
    "UPDATE records SET sequence = 6 WHERE sequence = 99",
)
MAKE_ROOM = "UPDATE records SET sequence = sequence + 100 WHERE sequence > 4"
MOVE_UP = "UPDATE records SET sequence = sequence - 99 WHERE sequence > 100"
FORGE = "INSERT INTO records SELECT 5, replace(body, 'anna', 'carl'), hash FROM records"
COPY = "INSERT INTO records SELECT 5, body, hash FROM records"


def _found(folder: Path, *known: str) -> list[tuple[Kind, int, int]]:
    return [(each.kind, each.first, each.last) for each in verify(folder, KEYS, known).findings]


def test_untouched_records_are_intact(tmp_path: Path) -> None:
    entries = filled(tmp_path)
    report = verify(tmp_path, KEYS, [entries[3].hash, entries[-1].audit_id])
    assert (report.intact, report.records, report.files) == (True, 10, [FILE])
    assert report.head == entries[-1].mark


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        ([f"{EDIT} 5"], [(Kind.EDITED, 5, 5)]),
        ([f"{EDIT} 10"], [(Kind.EDITED, 10, 10)]),
        ([f"{EDIT} 5", f"{EDIT} 6"], [(Kind.EDITED, 5, 6)]),
        (["UPDATE records SET body = 'x', hash = '' WHERE sequence = 1"], [(Kind.EDITED, 1, 1)]),
        (["UPDATE records SET hash = upper(hash) WHERE sequence = 4"], [(Kind.EDITED, 4, 4)]),
        (["DELETE FROM records WHERE sequence = 5"], [(Kind.REMOVED, 5, 5)]),
        (["DELETE FROM records WHERE sequence IN (3, 4, 8)"],
         [(Kind.REMOVED, 3, 4), (Kind.REMOVED, 8, 8)]),
        (["DELETE FROM records WHERE sequence < 4"], [(Kind.REMOVED, 1, 3)]),
        (["DELETE FROM records WHERE sequence = 5", "UPDATE records SET sequence = 5 WHERE sequence"
          " = 6"], [(Kind.REMOVED, 5, 5), (Kind.REORDERED, 6, 6)]),
        ([*SWAP], [(Kind.REORDERED, 5, 6)]),
        ([MAKE_ROOM, f"{FORGE} WHERE sequence = 3", MOVE_UP],
         [(Kind.INSERTED, 5, 5), (Kind.REORDERED, 5, 10)]),
        ([MAKE_ROOM, f"{COPY} WHERE sequence = 3", MOVE_UP],
         [(Kind.INSERTED, 3, 3), (Kind.REORDERED, 5, 10)]),
        (["INSERT INTO records SELECT 11, body, hash FROM records WHERE sequence = 10"],
         [(Kind.INSERTED, 10, 10)]),
        (["INSERT INTO records SELECT 11, '{}', hash FROM records WHERE sequence = 10"],
         [(Kind.INSERTED, 11, 11)]),
        (["DELETE FROM records WHERE sequence = 10"], [(Kind.TRUNCATED, 10, 10)]),
        (["DELETE FROM records WHERE sequence > 4"], [(Kind.TRUNCATED, 5, 10)]),
        (["DELETE FROM records"], [(Kind.TRUNCATED, 1, 10)]),
        ([f"{EDIT} 9", "DELETE FROM records WHERE sequence = 10"],
         [(Kind.EDITED, 9, 9), (Kind.TRUNCATED, 10, 10)]),
    ],
)  # fmt: skip
def test_each_kind_of_tampering_is_found_and_named(
    tmp_path: Path, statements: list[str], found: list[tuple[Kind, int, int]]
) -> None:
    filled(tmp_path)
    tamper(tmp_path, *statements)
    assert sorted(_found(tmp_path)) == sorted(found)


def test_a_change_anywhere_in_of_a_record_is_found(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    filled(tmp_path / "a")
    for place in range(0, 400, 37):
        folder = tmp_path / str(place)
        shutil.copytree(tmp_path / "a", folder)
        change = f"substr(body, 1, {place}) || 'X' || substr(body, {place} + 2)"
        tamper(folder, f"UPDATE records SET body = {change} WHERE sequence = 5")
        assert _found(folder) == [(Kind.EDITED, 5, 5)]


def test_missing_rules_and_damaged_files_are_found(tmp_path: Path) -> None:
    filled(tmp_path)
    tamper(tmp_path, "DROP TABLE records", "CREATE TABLE records (sequence, body, hash)")
    assert {kind for kind, *_ in _found(tmp_path)} == {Kind.DAMAGED, Kind.TRUNCATED}
    (tmp_path / FILE).write_bytes(b"x" * 5000)
    assert Kind.DAMAGED in {kind for kind, *_ in _found(tmp_path)}
    (tmp_path / FILE).unlink()
    assert _found(tmp_path) == [(Kind.DAMAGED, 0, 0), (Kind.TRUNCATED, 1, 10)]
    (tmp_path / HEAD).unlink()
    with pytest.raises(AuditError, match="no audit records"):
        verify(tmp_path, KEYS)


@pytest.mark.parametrize("data", [b"", b"x" * 512, b"{}".ljust(512)])
def test_a_head_that_is_gone_or_forged_is_found(tmp_path: Path, data: bytes) -> None:
    filled(tmp_path)
    (tmp_path / HEAD).write_bytes(data)
    assert _found(tmp_path) == [(Kind.HEAD, 0, 0)]
    with pytest.raises(AuditBrokenError):
        Chain(tmp_path, KEYS)


def test_records_and_head_put_back_together_are_found_by_a_head_kept_elsewhere(
    tmp_path: Path,
) -> None:
    (tmp_path / "data").mkdir()
    filled(tmp_path / "data")
    shutil.copytree(tmp_path / "data", tmp_path / "before")
    with Chain(tmp_path / "data", KEYS) as chain:
        kept = chain.append(used())[0]
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "before").rename(tmp_path / "data")
    assert _found(tmp_path / "data") == []  # this is what cannot be found without one
    for name in (kept.hash, kept.audit_id):
        assert _found(tmp_path / "data", name) == [(Kind.ROLLED_BACK, 10, 10)]


def test_another_master_key_verifies_nothing(tmp_path: Path) -> None:
    filled(tmp_path)
    report = verify(tmp_path, Keys(MasterKey(bytes(32))))
    assert (report.intact, report.records) == (False, 0)


def test_a_cut_off_chain_is_not_written_to_until_the_loss_is_accepted(tmp_path: Path) -> None:
    filled(tmp_path)
    tamper(tmp_path, "DELETE FROM records WHERE sequence > 7")
    with pytest.raises(AuditBrokenError, match="cut off"):
        Chain(tmp_path, KEYS)
    mark = rotation.accept(tmp_path, KEYS, "backup of Monday")
    assert mark.sequence == 11  # numbers of lost records are not used again
    with Chain(tmp_path, KEYS) as chain:
        assert chain.append(used())[0].sequence == 12
    report = verify(tmp_path, KEYS)
    assert report.intact
    assert "up to 10 are gone: backup of Monday" in report.notices[0]


def test_a_lost_file_can_be_accepted_too(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / FILE).unlink()
    with pytest.raises(AuditBrokenError, match="is gone"):
        Chain(tmp_path, KEYS)
    assert rotation.accept(tmp_path, KEYS, "disk replaced").sequence == 11
    assert verify(tmp_path, KEYS).intact


def test_archives_continue_the_chain(tmp_path: Path) -> None:
    filled(tmp_path)
    first = rotation.rotate(tmp_path, KEYS)
    assert first.name == "audit-000000000001-000000000011.db"
    with Chain(tmp_path, KEYS) as chain:
        assert chain.last().record.action is Action.OPEN_CHAIN
        chain.append(used(77))
    second = rotation.rotate(tmp_path, KEYS)
    report = verify(tmp_path, KEYS)
    assert (report.intact, report.records) == (True, 15)
    assert report.files == [first.name, second.name, FILE]
    assert [each.sequence for each in search(tmp_path, KEYS, Filter())] == list(range(1, 16))


def test_a_service_that_has_the_chain_open_goes_on_after_a_rotation(tmp_path: Path) -> None:
    filled(tmp_path)
    with Chain(tmp_path, KEYS) as running:
        rotation.rotate(tmp_path, KEYS)
        assert running.append(used())[0].sequence == 13
        assert running.find(3) is None
    assert verify(tmp_path, KEYS).intact


def test_a_missing_or_altered_archive_is_found(tmp_path: Path) -> None:
    filled(tmp_path)
    archive = rotation.rotate(tmp_path, KEYS)
    archive.chmod(0o600)
    tamper(tmp_path / ARCHIVE, f"{EDIT} 5", file=archive.name)
    assert _found(tmp_path) == [(Kind.EDITED, 5, 5)]
    archive.unlink()
    assert _found(tmp_path) == [(Kind.REMOVED, 1, 11)]


def test_retired_archives_are_no_gap(tmp_path: Path) -> None:
    filled(tmp_path)
    rotation.rotate(tmp_path, KEYS)
    kept = verify(tmp_path, KEYS)
    archived = next(each for each in search(tmp_path, KEYS, Filter(after=10)))
    rotation.rotate(tmp_path, KEYS)
    past = datetime.now(UTC) - timedelta(days=1)
    assert rotation.retire(tmp_path, KEYS, past) == []
    assert len(rotation.retire(tmp_path, KEYS, datetime.now(UTC))) == 2
    assert archives(tmp_path) == []
    report = verify(tmp_path, KEYS)
    assert (report.intact, report.records) == (True, 3)
    assert kept.head
    assert archived.sequence == 11


def test_a_rotation_that_was_cut_short_is_understood_and_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(self: Chain) -> None:
        raise ZeroDivisionError

    filled(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(Chain, "_create", dies)
        with pytest.raises(ZeroDivisionError):
            rotation.rotate(tmp_path, KEYS)
    report = verify(tmp_path, KEYS)
    assert (report.intact, report.records, len(archives(tmp_path))) == (True, 11, 1)
    assert "cut short" in report.notices[0]
    assert [each.sequence for each in search(tmp_path, KEYS, Filter())] == list(range(1, 12))
    rotation.rotate(tmp_path, KEYS)
    assert [path.name for path in archives(tmp_path)] == ["audit-000000000001-000000000012.db"]
    assert verify(tmp_path, KEYS).records == 13


def test_a_chain_that_is_not_whole_is_not_rotated(tmp_path: Path) -> None:
    filled(tmp_path)
    tamper(tmp_path, f"{EDIT} 5")
    with pytest.raises(AuditBrokenError, match="not whole"):
        rotation.rotate(tmp_path, KEYS)
    assert archives(tmp_path) == []
    assert [kind for kind, *_ in _found(tmp_path)] == [Kind.EDITED]


def _command(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "serve.audit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_commands(tmp_path: Path) -> None:
    keys = Keys(MasterKey.load())
    with Chain(tmp_path, keys) as chain:
        chain.append(used(1), used(2, subject="carl", caller="ffffffff"))
    data = str(tmp_path)
    head = _command("head", data).stdout.strip()
    assert "3 records in audit.db" in _command("verify", data, "--head", head).stdout
    (shown,) = _command("show", data, "--subject", "carl", "--json").stdout.splitlines()
    assert json.loads(shown)["caller"] == "ffffffff"
    for chosen in (["--key", "0a1b2c3d"], ["--subject", "anna"]):
        assert len(_command("show", data, *chosen).stdout.splitlines()) == 1
    assert len(_command("show", data, "--since", "2026-01-01").stdout.splitlines()) == 3
    assert _command("show", data, "--since", "2999-01-01").stdout == ""
    assert "need ISO 8601" in _command("show", data, "--since", "monday").stderr
    assert _command("rotate", data).stdout.strip().endswith("4.db")
    tamper(tmp_path, "UPDATE records SET body = '' WHERE sequence = 5")
    wrong = _command("verify", data, "--json")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("error [audit.invalid]")
    report = json.loads(wrong.stdout)
    assert (report["intact"], report["findings"][0]["kind"]) == (False, "edited")
