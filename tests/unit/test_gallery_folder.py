"""A gallery on disk: enrol, search, remove, refuse, and say what is wrong."""

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gait.errors import (
    BundleError,
    ContractMismatchError,
    GalleryError,
    StorageError,
)
from gait.manifest import Manifest
from gait.modality import Modality
from gallery.gallery import Gallery
from gallery.opening import create_gallery, open_gallery
from gallery.record.location import DATABASE_FILE
from gallery.record.queries import codes_after
from gallery.template import Enrolment
from tests.galleries import (
    AUTHORISATION,
    DIMENSION,
    TINY,
    enrolment,
    enrolments,
    other_bundle,
    random_embeddings,
    walk,
)

pytestmark = pytest.mark.serving


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of an empty gallery."""
    create_gallery(tmp_path / "gallery", TINY).close()
    return tmp_path / "gallery"


@pytest.fixture
def gallery(folder: Path) -> Iterator[Gallery]:
    """An empty gallery, open."""
    with open_gallery(folder) as opened:
        yield opened


def test_what_was_enrolled_is_found_at_once_and_after_opening_again(folder: Path) -> None:
    people = enrolments([f"p{i}" for i in range(20)])
    with open_gallery(folder) as gallery:
        for number, person in enumerate(people, start=1):
            assert gallery.enrol([person]) == [number]
            found = gallery.identify(person.embedding, top_k=1)[0]
            assert (found.subject, found.template) == (person.subject, number)
            assert found.similarity == pytest.approx(1, abs=1e-6)
        revision = gallery.revision
    with open_gallery(folder) as gallery:
        assert gallery.revision == revision == 20
        assert not gallery.ready
        assert [gallery.identify(p.embedding, 1)[0].subject for p in people] == [
            p.subject for p in people
        ]
        assert gallery.ready


@pytest.mark.parametrize("name", ["", " a", "a ", "a/b", "a\nb", "x" * 129, "\u202ea", "Zoe\u0308"])
def test_names_that_cannot_be_used_are_refused(name: str) -> None:
    with pytest.raises(GalleryError, match="subject name"):
        enrolments([name])


def test_names_in_any_script_are_kept(gallery: Gallery) -> None:
    gallery.enrol(enrolments(["Zoë", "李明", "o'Hara; DROP TABLE subjects"]))
    assert {s.name for s in gallery.subjects()} == {"Zoë", "李明", "o'Hara; DROP TABLE subjects"}


@pytest.mark.parametrize(
    "embedding",
    [
        np.full(DIMENSION, np.nan, np.float32),
        np.zeros(DIMENSION, np.float32),
        2 * random_embeddings(1)[0],
        random_embeddings(1)[0, :-1],
        random_embeddings(1)[0].astype(np.float64),
    ],
    ids=["nan", "zero", "long", "short", "double"],
)
def test_what_is_no_embedding_is_refused_with_all_that_came_with_it(
    gallery: Gallery, embedding: np.ndarray
) -> None:
    good = enrolments(["a"])
    with pytest.raises(GalleryError, match="'b'"):
        gallery.enrol([*good, enrolment("b", embedding)])
    assert gallery.counts().templates == 0


def test_a_probe_that_cannot_be_searched_is_refused(gallery: Gallery) -> None:
    (person,) = enrolments(["a"])
    gallery.enrol([person])
    with pytest.raises(GalleryError, match="top_k 0"):
        gallery.identify(person.embedding, top_k=0)
    with pytest.raises(GalleryError, match="probe embedding"):
        gallery.identify(person.embedding[1:])
    with pytest.raises(GalleryError, match="probe embedding"):
        gallery.identify(np.full(DIMENSION, np.inf, np.float32))


def test_another_models_bundle_is_refused_with_both_contracts(folder: Path, tmp_path: Path) -> None:
    own, other = (Manifest.load(b).contract for b in (TINY, other_bundle(tmp_path / "other")))
    with pytest.raises(ContractMismatchError) as caught:
        open_gallery(folder, contract=other)
    assert own in str(caught.value)
    assert other in str(caught.value)
    assert caught.value.fields == {"gallery": own, "bundle": other}
    open_gallery(folder, contract=own).close()  # the failure has left no lock


def test_a_bundle_swapped_inside_the_gallery_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.rmtree(folder / "bundle")
    other_bundle(folder / "bundle")
    with pytest.raises(ContractMismatchError):
        open_gallery(folder, readonly=True)


def test_a_gallery_is_not_made_over_anything_or_from_a_broken_bundle(
    folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(GalleryError, match="exists already"):
        create_gallery(folder, TINY)
    broken = other_bundle(tmp_path / "broken")
    (broken / "range_view.onnx").write_bytes(b"")
    with pytest.raises(BundleError):
        create_gallery(tmp_path / "new", broken)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken", "gallery"]
    with pytest.raises(GalleryError, match="no gallery"):
        open_gallery(tmp_path / "new")


def test_a_full_disk_is_said_and_leaves_nothing_half_written(gallery: Gallery) -> None:
    first, *rest = enrolments([f"p{i}" for i in range(400)])
    gallery.enrol([first])
    with gallery._record.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 3}")
    with pytest.raises(StorageError, match="no space left"):
        gallery.enrol(rest)
    assert gallery.counts().templates == 1
    assert [c.subject for c in gallery.identify(first.embedding)] == ["p0"]
    with gallery._record.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    gallery.enrol(rest)
    assert len(gallery.identify(first.embedding, top_k=999)) == 400


@pytest.mark.parametrize("damage", ["header", "empty", "tables"])
def test_a_damaged_database_is_refused(folder: Path, damage: str) -> None:
    path = folder / DATABASE_FILE
    if damage == "header":
        path.write_bytes(b"not a database, whatever its name says" * 100)
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        database = sqlite3.connect(path)
        database.execute("DROP TABLE meta")
        database.commit()
        database.close()
    with pytest.raises(GalleryError, match=r"damaged|no gallery"):
        open_gallery(folder)


def test_a_later_schema_is_refused(folder: Path) -> None:
    database = sqlite3.connect(folder / DATABASE_FILE)
    database.execute("UPDATE meta SET version = 9")
    database.commit()
    database.close()
    with pytest.raises(GalleryError, match="version 9"):
        open_gallery(folder)


def test_threads_see_their_own_writes_at_once(gallery: Gallery) -> None:
    failures: list[str] = []

    def work(worker: int) -> None:
        for turn, vector in enumerate(random_embeddings(15, seed=worker)):
            name = f"w{worker}-{turn}"
            gallery.enrol([enrolment(name, vector)])
            if gallery.identify(vector, 1)[0].subject != name:
                failures.append(f"{name} not found")
            if turn % 3 == 0:
                gallery.remove_subject(name)
                found = [c.subject for c in gallery.identify(vector, 1000)] if turn else []
                if name in found:
                    failures.append(f"{name} found after removal")

    gallery.enrol(enrolments(["someone"], seed=99))
    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert gallery.counts().subjects == 1 + 4 * 10


@pytest.mark.parametrize(("revision", "step"), [(0, "SCAN t"), (7, "USING INDEX templates_rev")])
def test_a_change_is_read_without_looking_through_all_templates(
    gallery: Gallery, folder: Path, revision: int, step: str
) -> None:
    gallery.enrol(enrolments(["a", "b"]))
    statement = str(codes_after(revision).compile(compile_kwargs={"literal_binds": True}))
    with closing(sqlite3.connect(folder / DATABASE_FILE)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
    assert step in plan[0][-1]


def test_an_enrolment_is_of_its_clip() -> None:
    clip = walk(1, 4, Modality.RANGE_VIEW)
    made = Enrolment.of("a", clip, random_embeddings(1)[0], "here", AUTHORISATION)
    assert (made.frames, made.modality) == (4, Modality.RANGE_VIEW)
    shorter = replace(clip, frames=clip.frames[:3])
    assert Enrolment.of("a", shorter, made.embedding, "here", AUTHORISATION).digest != made.digest
