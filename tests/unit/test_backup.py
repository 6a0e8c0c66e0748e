"""Backups: of one moment, readable only with the keys, and never of whom was erased since."""

import os
import shutil
import sqlite3
import threading
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from gait.errors import GalleryCorruptError, GalleryError, MasterKeyError, StorageError
from gallery.backup import back_up
from gallery.opening import create_gallery, open_gallery
from gallery.record.master_key import VARIABLE
from gallery.restore import restore
from tests.galleries import TINY, enrolments

pytestmark = pytest.mark.serving

PEOPLE = [f"{number:03}" for number in range(12)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a gallery of twelve people."""
    with create_gallery(tmp_path / "gallery", TINY) as gallery:
        gallery.enrol(enrolments(PEOPLE))
    return tmp_path / "gallery"


@pytest.fixture
def copy(tmp_path: Path) -> tuple[Path, Path]:
    """Where templates and keys are copied to."""
    return tmp_path / "backups" / "monday", tmp_path / "keys" / "keys.db"


def _found(folder: Path) -> dict[str, float]:
    with open_gallery(folder) as gallery:
        best = (gallery.identify(each.embedding, 1)[0] for each in enrolments(PEOPLE))
        return {each.subject: each.similarity for each in best if each.similarity > 0.99}


def test_what_was_backed_up_comes_back(
    folder: Path, copy: tuple[Path, Path], tmp_path: Path
) -> None:
    made = back_up(str(folder), *copy)
    assert (made.subjects, made.templates, made.revision) == (12, 12, 1)
    again = restore(*copy, str(tmp_path / "restored"))
    assert (again.subjects, again.templates) == (12, 12)
    assert sorted(_found(tmp_path / "restored")) == PEOPLE
    with open_gallery(tmp_path / "restored") as gallery:
        assert (gallery.id, gallery.revision) == (made.gallery, 2)


def test_whom_was_erased_since_is_not_in_the_restored_gallery(
    folder: Path, copy: tuple[Path, Path], tmp_path: Path
) -> None:
    back_up(str(folder), *copy)
    with open_gallery(folder) as gallery:
        gallery.remove_subject(PEOPLE[3])
    later = back_up(str(folder), tmp_path / "tuesday", copy[1])
    assert later.subjects == 11
    again = restore(*copy, str(tmp_path / "restored"))  # monday's templates, tuesday's keys
    assert (again.subjects_in_backup, again.subjects) == (12, 11)
    assert PEOPLE[3] not in _found(tmp_path / "restored")


def test_it_is_of_one_moment_while_others_write(folder: Path, copy: tuple[Path, Path]) -> None:
    """A thread enrols and removes all the while; each copy is a gallery that was."""
    stop, numbers = threading.Event(), count(100)

    def write() -> None:
        with open_gallery(folder) as gallery:
            while not stop.is_set():
                first, second = f"{next(numbers)}", f"{next(numbers)}"
                gallery.enrol(enrolments([first, second], seed=next(numbers)))
                gallery.merge(first, second)
                gallery.remove_subject(second)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = [_made(folder, copy, attempt) for attempt in range(4)]
    finally:
        stop.set()
        writer.join()
    for out, keys in made:
        again = restore(out, keys, str(out.with_name(f"{out.name}-restored")))
        assert again.subjects >= 12
        assert set(PEOPLE) <= set(_found(out.with_name(f"{out.name}-restored")))


def _made(folder: Path, copy: tuple[Path, Path], attempt: int) -> tuple[Path, Path]:
    out, keys = copy[0].with_name(f"{attempt}"), copy[1].with_name(f"{attempt}.db")
    back_up(str(folder), out, keys)
    return out, keys


def test_neither_part_alone_is_enough(
    folder: Path, copy: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, keys = copy
    back_up(str(folder), out, keys)
    with pytest.raises(GalleryError, match="no keys"):
        restore(out, tmp_path / "nowhere", str(tmp_path / "restored"))
    monkeypatch.setenv(VARIABLE, "A" * 43 + "=")
    with pytest.raises(MasterKeyError, match="master key"):
        restore(out, keys, str(tmp_path / "restored"))
    assert not (tmp_path / "restored").exists()


@pytest.mark.parametrize("name", ["people.db", "bundle/manifest.json", "backup.json"])
def test_a_damaged_backup_is_refused(
    folder: Path, copy: tuple[Path, Path], tmp_path: Path, name: str
) -> None:
    back_up(str(folder), *copy)
    with (copy[0] / name).open("r+b") as file:
        file.seek(40)
        file.write(b"\xff\xff")
    with pytest.raises(GalleryError):
        restore(*copy, str(tmp_path / "restored"))
    assert not (tmp_path / "restored").exists()


def test_keys_of_another_gallery_are_refused(
    folder: Path, copy: tuple[Path, Path], tmp_path: Path
) -> None:
    back_up(str(folder), *copy)
    create_gallery(tmp_path / "other", TINY).close()
    back_up(str(tmp_path / "other"), tmp_path / "other-backup", copy[1])
    with pytest.raises(GalleryCorruptError, match="keys of gallery"):
        restore(*copy, str(tmp_path / "restored"))


def test_nothing_is_written_over(folder: Path, copy: tuple[Path, Path], tmp_path: Path) -> None:
    back_up(str(folder), *copy)
    with pytest.raises(GalleryError, match="exists already"):
        back_up(str(folder), *copy)
    with pytest.raises(GalleryError, match="exists already"):
        restore(*copy, str(folder))
    with pytest.raises(GalleryError, match="no gallery"):
        back_up(str(tmp_path / "nowhere"), tmp_path / "b", tmp_path / "k")


def test_a_full_disk_leaves_the_older_keys(
    folder: Path, copy: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(str(folder), *copy)
    before = copy[1].read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(StorageError, match="No space left"):
        back_up(str(folder), copy[0].with_name("tuesday"), copy[1])
    assert copy[1].read_bytes() == before
    assert [path.name for path in copy[0].parent.iterdir()] == ["monday"]
    assert [path.name for path in copy[1].parent.iterdir()] == ["keys.db"]


def test_copies_are_for_their_owner_alone(folder: Path, copy: tuple[Path, Path]) -> None:
    back_up(str(folder), *copy)
    assert copy[1].stat().st_mode & 0o077 == 0
    assert (copy[0] / "people.db").stat().st_mode & 0o077 == 0


def test_erasure_works_right_after_a_backup(folder: Path, copy: tuple[Path, Path]) -> None:
    with open_gallery(folder) as gallery:
        back_up(str(folder), *copy)
        gallery.remove_subject(PEOPLE[0])
    with closing(sqlite3.connect(folder / "gallery.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
