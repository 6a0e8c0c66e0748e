"""Changes in Milvus (Lite here) that are cut short or meet another writer."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gait.errors import GalleryLockedError, GalleryNotFoundError, StorageError
from gallery.gallery import create_gallery, open_gallery
from gallery.milvus import MilvusGallery
from gallery.milvus.lease import LASTS, MARGIN
from gallery.milvus.ledger import Ledger, State
from gallery.milvus.templates import Templates
from tests.galleries import TINY, enrolments

pytest.importorskip("pymilvus", reason="needs pymilvus and milvus-lite, the extra `milvus`")
pytestmark = pytest.mark.serving


@pytest.fixture
def location(tmp_path: Path) -> str:
    """Where a gallery can be made."""
    return f"milvus+lite:{tmp_path}/m.db/people"


@pytest.fixture
def gallery(location: str) -> Iterator[MilvusGallery]:
    """A gallery of one person."""
    with MilvusGallery.create(location, TINY) as made:
        made.enrol(enrolments(["first"]))
        yield made


def _fails(*_: object) -> None:
    raise StorageError("the line is cut")


@pytest.mark.parametrize(
    ("part", "step"),
    [(Templates, "add"), (Templates, "replace"), (Ledger, "add"), (Ledger, "commit")],
)
def test_an_enrolment_cut_short_leaves_nothing_and_burns_its_ids(
    gallery: MilvusGallery, part: type, step: str
) -> None:
    people = enrolments(["a", "b"], seed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(part, step, _fails)
        with pytest.raises(StorageError, match="cut"):
            gallery.enrol(people)
    assert gallery.counts().templates == 1
    assert [s.name for s in gallery.subjects()] == ["first"]
    assert [c.subject for c in gallery.identify(people[0].embedding)] == ["first"]
    assert gallery.revision == 1
    ids = gallery.enrol(people)
    assert min(ids) > 3
    assert gallery.counts().templates == 3
    assert gallery.identify(people[1].embedding, 1)[0].subject == "b"


def test_rows_that_milvus_does_not_show_are_not_committed(gallery: MilvusGallery) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Templates, "add", lambda *_: None)
        with pytest.raises(StorageError, match="shows 0 of 1"):
            gallery.enrol(enrolments(["a"], seed=1))
    assert gallery.revision == 1


@pytest.mark.parametrize("call", ["remove_subject", "merge"])
def test_an_erasure_cut_short_can_be_made_again(gallery: MilvusGallery, call: str) -> None:
    gallery.enrol(enrolments(["a", "b"], seed=1))
    change: Callable[[], object] = lambda: (  # noqa: E731
        gallery.merge("a", "b") if call == "merge" else gallery.remove_subject("a")
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "remove", _fails)
        with pytest.raises(StorageError, match="cut"):
            change()
    change()
    assert [s.name for s in gallery.subjects()] == ["b", "first"]
    assert gallery.counts().subjects == 2


def test_a_second_writer_waits_for_the_lease(gallery: MilvusGallery, location: str) -> None:
    with open_gallery(location) as other:
        with pytest.raises(GalleryLockedError, match="another process writes"):
            other.enrol(enrolments(["a"], seed=1))
        assert other.counts().templates == 1
        gallery.close()
        assert other.enrol(enrolments(["a"], seed=1)) == [2]


def test_a_lease_runs_out_and_its_late_holder_is_refused(
    gallery: MilvusGallery, location: str
) -> None:
    late = time.time() + LASTS + MARGIN + 1
    with open_gallery(location) as other, pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time", lambda: late)
        other.enrol(enrolments(["a"], seed=1))
        with pytest.raises(GalleryLockedError):
            gallery.enrol(enrolments(["b"], seed=2))


def test_a_change_that_outlasts_its_lease_is_not_committed(gallery: MilvusGallery) -> None:
    real, add = time.time, Templates.add

    def slow(*arguments: object) -> None:
        add(*arguments)  # type: ignore[arg-type]
        patch.setattr("time.time", lambda: real() + LASTS + 1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Templates, "add", slow)
        with pytest.raises(StorageError, match="try again"):
            gallery.enrol(enrolments(["a"], seed=1))
    assert gallery.revision == gallery.counts().templates == 1


def test_a_making_that_was_cut_short_is_no_gallery_and_can_be_made_again(location: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "finish", _fails)
        with pytest.raises(StorageError, match="cut"):
            create_gallery(location, TINY)
    with pytest.raises(GalleryNotFoundError):
        open_gallery(location)
    with create_gallery(location, TINY) as gallery:
        assert gallery.counts().templates == 0


def test_a_state_that_moved_back_hides_what_came_later(gallery: MilvusGallery) -> None:
    gallery.enrol(enrolments(["a"], seed=1))
    reader = MilvusGallery.open(gallery.location, readonly=True)
    with reader, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "state", lambda _: State(1, 2, 2))
        assert reader.counts().templates == 1
        assert [s.name for s in reader.subjects()] == ["first"]
    assert gallery.counts().templates == 2


WRITER = """
import sys
from gallery.gallery import open_gallery
from tests.galleries import enrolments
with open_gallery(sys.argv[1]) as gallery:
    for round in range(10_000):
        people = enrolments([f"r{round} a", f"r{round} b"], seed=round)
        gallery.enrol(people)
        print(round, flush=True)
"""


def test_a_killed_writer_loses_nothing_it_was_told_and_leaves_no_half(location: str) -> None:
    create_gallery(location, TINY).close()
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, location], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    told = [int(child.stdout.readline()) for _ in range(5)]
    with pytest.raises(GalleryLockedError):
        open_gallery(location)
    os.kill(child.pid, signal.SIGKILL)
    told += [int(line) for line in child.stdout]
    child.wait()
    child.stdout.close()
    with open_gallery(location, readonly=True) as gallery:
        names = {s.name for s in gallery.subjects()}
        assert {f"r{n} {who}" for n in told for who in "ab"} <= names
        assert len(names) % 2 == 0
        assert gallery.counts().templates == len(names)


def test_a_server_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gallery.milvus.server.TIMEOUT", 1.0)
    with pytest.raises(StorageError, match=r"Milvus at http://127\.0\.0\.1:1"):
        open_gallery("milvus://127.0.0.1:1/people")
