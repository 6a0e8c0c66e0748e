"""What is not whole yet goes with the process that made it, or with the next one there."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import gallery
from gallery.backup import back_up
from gallery.galleries import GalleryRoot
from gallery.opening import create_gallery, open_gallery
from gallery.record import scratch
from gallery.record.scratch import clear_leftovers, scratch_folder, write_whole
from gallery.restore import restore
from tests.galleries import TINY

pytestmark = pytest.mark.serving

UNFINISHED = """
import sys, time
from pathlib import Path
from gallery.record.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "gallery.db").write_text("keys and templates")
    print(folder, flush=True)
    time.sleep(60)
"""


def _begun(place: Path) -> tuple["subprocess.Popen[str]", Path]:
    command = [sys.executable, "-c", UNFINISHED, str(place)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def _killed_in(place: Path) -> Path:
    process, folder = _begun(place)
    with process:
        process.kill()
    assert (folder / "gallery.db").is_file()
    return folder


def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(b"old, and longer")
    path.chmod(0o644)

    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            write_whole(path, b"new")
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"old, and longer", [path])
    write_whole(path, b"new")
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"new", [path])
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_folder_stays_while_its_process_lives_and_not_after(tmp_path: Path) -> None:
    process, folder = _begun(tmp_path)
    with process:
        with scratch_folder(tmp_path) as other:
            assert (folder / "gallery.db").is_file()
            assert (other.stat().st_mode & 0o777) == 0o700
        process.kill()
    with scratch_folder(tmp_path) as other:
        assert list(tmp_path.iterdir()) == [other]
    assert not list(tmp_path.iterdir())


def _restore(place: Path) -> None:
    restore(place / "backup", place / "keys.db", str(place / "again"))


@pytest.mark.parametrize(
    "command",
    [
        lambda place: open_gallery(place / "gallery").close(),
        lambda place: create_gallery(place / "new", TINY).close(),
        lambda place: back_up(str(place / "gallery"), place / "more", place / "keys.db"),
        lambda place: GalleryRoot(place, TINY),
        _restore,
    ],
    ids=["open", "create", "back up", "serve", "restore"],
)
def test_the_next_command_removes_what_a_killed_one_left(
    tmp_path: Path, command: Callable[[Path], object]
) -> None:
    create_gallery(tmp_path / "gallery", TINY).close()
    back_up(str(tmp_path / "gallery"), tmp_path / "backup", tmp_path / "keys.db")
    left = _killed_in(tmp_path)
    command(tmp_path)
    assert not left.exists()


def test_what_earlier_versions_left_of_removed_galleries_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".deleted-abc" / "gallery").mkdir(parents=True)
    GalleryRoot(tmp_path, TINY)
    assert not list(tmp_path.iterdir())


def test_what_only_looks_like_ours_is_left_alone(tmp_path: Path) -> None:
    kept = tmp_path / ".deleted-photos" / "one.jpg"
    kept.parent.mkdir()
    kept.touch()
    with scratch_folder(tmp_path):
        assert kept.exists()


def test_a_lock_that_the_caller_holds_does_not_stop_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in `flock /backups python -m gallery.backup --out /backups/one`."""
    monkeypatch.setattr(scratch, "_PATIENCE", 0.1)
    held = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    clear_leftovers(tmp_path)
    with scratch_folder(tmp_path) as folder:
        assert folder.is_dir()
    os.close(held)
    assert not list(tmp_path.iterdir())


def test_a_disk_without_locks_keeps_what_may_be_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    left = _killed_in(tmp_path)
    monkeypatch.setattr("fcntl.flock", no_locks)
    with scratch_folder(tmp_path):
        assert left.exists()
    shutil.rmtree(left)


def test_no_other_module_of_the_gallery_makes_temporary_folders() -> None:
    """Else what a killed process leaves there stays."""
    modules = Path(gallery.__path__[0]).rglob("*.py")
    assert [each.name for each in modules if "tempfile" in each.read_text()] == ["scratch.py"]
