"""`python -m serve.keys`."""

import json
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.scopes import Scope

pytestmark = pytest.mark.serving

GATE = Grant(scopes=(Scope.IDENTIFY,), galleries=("site-7",), note="gate")


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys.json")


def _id(token: str) -> str:
    return token.partition(".")[0]


def _command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "serve.keys", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_key_is_printed_once_with_its_expiry(file: KeyFile) -> None:
    made = _command("new", file.path, "--scopes", "identify", "enrol", "--note", "gate")
    assert file.admits(made.stdout.strip())
    (key,) = file.load().keys
    assert made.stderr == f"key {key.id} expires {key.expires:%Y-%m-%d %H:%M} UTC\n"
    assert key.expires - key.created == timedelta(days=90)


def test_a_first_key_leaves_a_mark_for_good(file: KeyFile) -> None:
    for _ in range(2):
        assert _command("new", file.path, "--scopes", "embed").returncode == 0
        assert stat.S_IMODE(file.used.stat().st_mode) == 0o600
    assert "docs/service.md" in file.used.read_text()


def test_rotate_and_revoke(file: KeyFile) -> None:
    old = file.new(GATE).token
    done = _command("rotate", file.path, _id(old), "--overlap-hours", "2")
    assert "the old secret is accepted until" in done.stderr
    new = done.stdout.strip()
    assert file.admits(old)
    assert file.admits(new)
    assert _command("revoke", file.path, _id(old)).returncode == 0
    assert not file.admits(old)
    assert not file.admits(new)
    again = _command("rotate", file.path, _id(old))
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.startswith("error [access.key_state]: ")


def test_the_list_shows_no_hash(file: KeyFile) -> None:
    gate = file.new(GATE)
    _ = file.new(Grant(scopes=()))
    shown = _command("list", file.path)
    assert len(shown.stdout.splitlines()) == 3
    assert gate.key.sha256 not in shown.stdout
    listed = json.loads(_command("list", file.path, "--json").stdout)
    assert [each["state"] for each in listed] == ["valid", "valid"]
    assert listed[0]["galleries"] == ["site-7"]
    assert "sha256" not in json.dumps(listed)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["revoke", "{}", "ffffffff"], "error [access.key_not_found]: there is no key"),
        (["list", "nowhere.json"], "error [config.invalid]: cannot read the key file"),
        (["new", "{}", "--scopes", "admin", "--galleries", "a"], "cannot be restricted"),
        (["new", "{}", "--scopes", "embed", "--days", "0"], "--days: "),
        (["rotate", "{}", "ffffffff", "--overlap-hours", "-1"], "overlap"),
        (["rotate", "{}", "ffffffff", "--overlap-hours", "721"], "--overlap-hours: got 721: "),
        (["rotate", "{}", "ffffffff", "--days", "0"], "--days: got 0: "),
        (["rotate", "{}", "ffffffff", "--days", "3651"], "--days: got 3651: "),
        (["rotate", "{}", "ffffffff", "--days", "99999999999"], "less than or equal to 3650"),
        (["new", "{}", "--scopes", "embed", "--days", "9999999"], "less than or equal to 3650"),
    ],
)
def test_what_is_wrong_is_one_line(file: KeyFile, arguments: list[str], says: str) -> None:
    file.new(GATE)
    before = file.path.read_bytes()
    done = _command(*[each.format(file.path) for each in arguments])
    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert file.path.read_bytes() == before
