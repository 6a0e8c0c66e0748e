"""Galleries whose files are missing, damaged or old: said in one line, and never a wrong answer."""

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from gait.errors import GaitError
from gallery.gallery import Gallery
from gallery.opening import create_gallery, open_gallery
from gallery.record.location import DATABASE_FILE
from gallery.template import Candidate, Enrolment
from tests.galleries import TINY, enrolments

pytestmark = pytest.mark.serving

Result = TypeVar("Result")
PEOPLE = [f"{number:03}" for number in range(16)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a gallery of sixteen people, closed."""
    with create_gallery(tmp_path / "gallery", TINY) as gallery:
        gallery.enrol(enrolments(PEOPLE))
    return tmp_path / "gallery"


@pytest.mark.parametrize("seed", range(10))
def test_a_damaged_page_never_gives_a_wrong_answer(folder: Path, seed: int) -> None:
    """Whatever can still be read is right; the rest is an error of the tree."""
    rng = random.Random(seed)
    path = folder / DATABASE_FILE
    pages = path.stat().st_size // 4096
    with path.open("r+b") as file:
        file.seek(4096 * rng.randrange(1, pages) + rng.randrange(2048))
        file.write(rng.randbytes(600))
    try:
        gallery = open_gallery(folder)
    except GaitError:
        return
    with gallery:
        listed = _or_error(lambda: [subject.name for subject in gallery.subjects()])
        assert listed is None or set(listed) <= set(PEOPLE)
        for person in enrolments(PEOPLE):
            found = _or_error(partial(_first, gallery, person))
            if found is not None and found.similarity > 0.9:
                assert found.subject == person.subject


def _first(gallery: Gallery, person: Enrolment) -> Candidate:
    return gallery.identify(person.embedding, 1)[0]


def _or_error(read: Callable[[], Result]) -> Result | None:
    try:
        return read()
    except GaitError:
        return None
