"""Galleries whose files are missing, damaged or old: said in one line, and never a wrong answer."""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from gait.errors import GaitError, GalleryCorruptError, GalleryError
from gallery.local import KEYS, STORE, LocalGallery
from gallery.template import Candidate, Enrolment
from tests.galleries import TINY, enrolments

pytestmark = pytest.mark.serving

Result = TypeVar("Result")
PEOPLE = [f"{number:03}" for number in range(40)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a gallery of forty people, closed."""
    with LocalGallery.create(tmp_path / "gallery", TINY) as gallery:
        gallery.enrol(enrolments(PEOPLE))
    return tmp_path / "gallery"


def test_without_its_keys_a_gallery_is_not_opened_and_not_changed(folder: Path) -> None:
    keys = (folder / KEYS).read_bytes()
    (folder / KEYS).unlink()
    with pytest.raises(GalleryCorruptError, match=r"keys\.db is missing"):
        LocalGallery.open(folder)
    (folder / KEYS).write_bytes(keys)
    with LocalGallery.open(folder) as gallery:
        assert gallery.counts().subjects == len(PEOPLE)


def test_keys_that_are_no_database_are_said(folder: Path) -> None:
    (folder / KEYS).write_bytes(b"not a database at all" * 400)
    with pytest.raises(GalleryCorruptError, match=r"keys\.db"):
        LocalGallery.open(folder)


def test_a_gallery_of_the_first_version_is_to_be_built_again(folder: Path) -> None:
    with closing(sqlite3.connect(folder / STORE)) as connection:
        connection.execute("PRAGMA user_version = 1")
    with pytest.raises(GalleryError, match="build the gallery again"):
        LocalGallery.open(folder)


@pytest.mark.parametrize("name", [STORE, KEYS])
@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_page_never_gives_a_wrong_answer(folder: Path, name: str, seed: int) -> None:
    """Whatever can still be read is right; the rest is an error of the tree."""
    rng = random.Random(seed)
    path = folder / name
    pages = path.stat().st_size // 4096
    with path.open("r+b") as file:
        file.seek(4096 * rng.randrange(1, pages) + rng.randrange(2048))
        file.write(rng.randbytes(600))
    try:
        gallery = LocalGallery.open(folder)
    except GaitError:
        return
    with gallery:
        listed = _or_error(lambda: [subject.name for subject in gallery.subjects()])
        assert listed is None or set(listed) <= set(PEOPLE)
        for person in enrolments(PEOPLE):
            found = _or_error(partial(_first, gallery, person))
            if found is not None and found.similarity > 0.9:
                assert found.subject == person.subject


def _first(gallery: LocalGallery, person: Enrolment) -> Candidate:
    return gallery.identify(person.embedding, 1)[0]


def _or_error(read: Callable[[], Result]) -> Result | None:
    try:
        return read()
    except GaitError:
        return None
