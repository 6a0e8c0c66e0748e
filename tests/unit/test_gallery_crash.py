"""Processes that share a gallery or die in the middle of it.

The children are this file run as a program: `enrol` enrols people in threes and says so after each
call, `die` kills itself inside the second transaction, `hold` keeps the gallery open.
"""

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gallery.gallery import Gallery
from gallery.opening import create_gallery, open_gallery
from gallery.record.change import Change
from tests.galleries import TINY, enrolments

pytestmark = pytest.mark.serving

TOGETHER = 3


def _people(number: int) -> list[str]:
    return [f"{number}-{i}" for i in range(TOGETHER)]


@contextmanager
def _child(what: str, folder: Path, start: int = 0) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.unit.test_gallery_crash", what, str(folder), str(start)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def _said(child: subprocess.Popen[str]) -> Iterator[str]:
    assert child.stdout is not None
    for line in child.stdout:
        yield line.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of an empty gallery."""
    create_gallery(tmp_path / "gallery", TINY).close()
    return tmp_path / "gallery"


def test_killed_at_random_points_nothing_acknowledged_is_lost(folder: Path) -> None:
    rng = random.Random(4)
    acknowledged, start = 0, 0
    for _ in range(6):
        with _child("enrol", folder, start) as child:
            for said in itertools.islice(_said(child), rng.randint(1, 30)):
                acknowledged = int(said) + 1
            time.sleep(rng.uniform(0, 0.01))
            child.kill()
            acknowledged = max([acknowledged, *(int(said) + 1 for said in _said(child))])
        start = _check(folder, acknowledged)
    assert start > 6


def _check(folder: Path, acknowledged: int) -> int:
    """Every acknowledged three is there and found; of any other, all or none. Returns the next."""
    with open_gallery(folder) as gallery:
        names = {subject.name for subject in gallery.subjects()}
        assert len(names) % TOGETHER == 0
        stored = len(names) // TOGETHER
        assert acknowledged <= stored <= acknowledged + 1
        assert names == {name for number in range(stored) for name in _people(number)}
        for number in range(stored):
            for person in enrolments(_people(number), seed=number):
                assert gallery.identify(person.embedding, 1)[0].subject == person.subject
    return stored


def test_killed_inside_a_transaction_nothing_of_it_is_there(folder: Path) -> None:
    with _child("die", folder) as child:
        assert list(_said(child)) == ["0"]
        assert child.wait() == -signal.SIGKILL
    assert _check(folder, acknowledged=1) == 1


def test_a_second_process_reads_and_writes_beside_the_first(folder: Path) -> None:
    with _child("hold", folder) as child:
        assert next(_said(child)) == "0"
        with open_gallery(folder) as gallery:
            assert gallery.counts().subjects == TOGETHER
            gallery.enrol(enrolments(["beside"], seed=99))
            assert (
                gallery.identify(enrolments(["x"], seed=99)[0].embedding, 1)[0].subject == "beside"
            )


def _enrol(gallery: Gallery, number: int) -> None:
    gallery.enrol(enrolments(_people(number), seed=number))
    print(number, flush=True)


def _die_inside(gallery: Gallery) -> None:
    _enrol(gallery, 0)
    drop = Change.authorise

    def fatal(*arguments: object) -> None:  # after the rows are in, before the transaction ends
        os.kill(os.getpid(), signal.SIGKILL)
        drop(*arguments)  # type: ignore[arg-type]

    Change.authorise = fatal  # type: ignore[method-assign,assignment]
    _enrol(gallery, 1)


def _main(what: str, folder: Path, start: int) -> None:
    gallery = open_gallery(folder)
    if what == "enrol":
        for number in itertools.count(start):
            _enrol(gallery, number)
    elif what == "die":
        _die_inside(gallery)
    else:
        _enrol(gallery, 0)
        time.sleep(60)


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
