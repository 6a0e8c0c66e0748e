"""A gallery on disk: enrol, search, remove, refuse, and say what is wrong."""

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gait.errors import (
    BundleError,
    ContractMismatchError,
    GalleryCorruptError,
    GalleryEmptyError,
    GalleryError,
    StorageError,
    SubjectNotFoundError,
)
from gait.manifest import Manifest
from gait.modality import Modality
from gallery.local import STORE, LocalGallery
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
    LocalGallery.create(tmp_path / "gallery", TINY).close()
    return tmp_path / "gallery"


@pytest.fixture
def gallery(folder: Path) -> Iterator[LocalGallery]:
    """An empty gallery, open."""
    with LocalGallery.open(folder) as opened:
        yield opened


def test_what_was_enrolled_is_found_at_once_and_after_opening_again(folder: Path) -> None:
    people = enrolments([f"p{i}" for i in range(20)])
    with LocalGallery.open(folder) as gallery:
        for number, person in enumerate(people, start=1):
            assert gallery.enrol([person]) == [number]
            found = gallery.identify(person.embedding, top_k=1)[0]
            assert (found.subject, found.template) == (person.subject, number)
            assert found.similarity == pytest.approx(1, abs=1e-6)
        revision = gallery.revision
    with LocalGallery.open(folder) as gallery:
        assert gallery.revision == revision == 20
        assert not gallery.ready
        assert [gallery.identify(p.embedding, 1)[0].subject for p in people] == [
            p.subject for p in people
        ]
        assert gallery.ready


def test_results_are_by_subject_with_the_best_template_in_order(gallery: LocalGallery) -> None:
    vectors = random_embeddings(12)
    gallery.enrol([enrolment(f"p{i % 4}", v, source=f"walk {i}") for i, v in enumerate(vectors)])
    query = random_embeddings(1, seed=9)[0]
    found = gallery.identify(query, top_k=10)
    similarities = vectors @ query
    best = {f"p{p}": max(similarities[p::4]) for p in range(4)}
    assert [c.subject for c in found] == sorted(best, key=lambda name: -best[name])
    assert [c.similarity for c in found] == pytest.approx(
        sorted(best.values(), reverse=True), abs=1e-6
    )
    assert [c.source for c in found] == [f"walk {c.template - 1}" for c in found]


def test_modalities_share_a_gallery_and_can_be_searched_apart(gallery: LocalGallery) -> None:
    camera, lidar = random_embeddings(2)
    gallery.enrol([enrolment("a", camera), enrolment("b", lidar, Modality.RANGE_VIEW)])
    assert [c.subject for c in gallery.identify(camera)] == ["a", "b"]
    assert [c.subject for c in gallery.identify(camera, modality=Modality.RANGE_VIEW)] == ["b"]
    (only,) = gallery.identify(camera, modality=Modality.SILHOUETTE)
    assert (only.subject, only.modality) == ("a", Modality.SILHOUETTE)


def test_nothing_to_search_is_said(gallery: LocalGallery) -> None:
    query = random_embeddings(1)[0]
    with pytest.raises(GalleryEmptyError, match="no template"):
        gallery.identify(query)
    gallery.enrol(enrolments(["a"]))
    with pytest.raises(GalleryEmptyError, match="no range_view template"):
        gallery.identify(query, modality=Modality.RANGE_VIEW)


def test_a_removed_subject_is_gone_from_search_and_list(gallery: LocalGallery) -> None:
    people = enrolments(["a", "b", "a"])
    gallery.enrol(people)
    gallery.refresh()
    assert gallery.remove_subject("a").templates == (1, 3)
    assert [c.subject for c in gallery.identify(people[0].embedding)] == ["b"]
    assert [s.name for s in gallery.subjects()] == ["b"]


@pytest.mark.parametrize("warm", [True, False])
def test_an_unknown_subject_is_said_and_changes_nothing(gallery: LocalGallery, warm: bool) -> None:
    gallery.enrol(enrolments(["a"]))
    if warm:
        gallery.refresh()
    for call in (gallery.remove_subject, gallery.templates):
        with pytest.raises(SubjectNotFoundError, match="'nobody'"):
            call("nobody")
    assert gallery.revision == 1


def test_a_clip_is_enrolled_once_for_a_subject(gallery: LocalGallery) -> None:
    clip = walk(0, 3, Modality.SILHOUETTE)
    first, second = random_embeddings(2)
    same = Enrolment.of("a", clip, first, "file 1", AUTHORISATION)
    again = Enrolment.of("a", clip, first, "file 2", AUTHORISATION)
    other = Enrolment.of("b", clip, second, "file 3", AUTHORISATION)
    one, one_again, two = gallery.enrol([same, again, other])
    assert one == one_again != two
    assert gallery.enrol([again]) == [one]
    assert gallery.counts().templates == 2
    assert gallery.holds("a", same.digest, AUTHORISATION)
    assert not gallery.holds("c", same.digest, AUTHORISATION)
    assert len(gallery.identify(first, top_k=9)) == 2


def test_template_ids_are_never_used_again(gallery: LocalGallery) -> None:
    people = enrolments(["a", "b", "c"])
    gallery.enrol(people[:2])
    gallery.refresh()
    gallery.remove_subject("b")
    assert gallery.enrol(people[2:]) == [3]
    assert gallery.identify(people[2].embedding, 1)[0].template == 3


def test_subjects_come_in_pages_with_their_counts(gallery: LocalGallery) -> None:
    vectors = random_embeddings(5)
    names = ["d", "a", "c", "b", "a"]
    modalities = [Modality.SILHOUETTE] * 4 + [Modality.RANGE_VIEW]
    gallery.enrol([enrolment(*row) for row in zip(names, vectors, modalities, strict=True)])
    assert [s.name for s in gallery.subjects(limit=2)] == ["a", "b"]
    assert [s.name for s in gallery.subjects(after="b", limit=2)] == ["c", "d"]
    first = gallery.subjects()[0]
    assert (first.silhouettes, first.range_views) == (1, 1)
    counts = gallery.counts()
    assert (counts.subjects, counts.silhouettes, counts.range_views) == (4, 4, 1)
    assert [t.modality for t in gallery.templates("a")] == list(Modality)


@pytest.mark.parametrize("name", ["", " a", "a ", "a/b", "a\nb", "x" * 129, "\u202ea", "Zoe\u0308"])
def test_names_that_cannot_be_used_are_refused(name: str) -> None:
    with pytest.raises(GalleryError, match="subject name"):
        enrolments([name])


def test_names_in_any_script_are_kept(gallery: LocalGallery) -> None:
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
    gallery: LocalGallery, embedding: np.ndarray
) -> None:
    good = enrolments(["a"])
    with pytest.raises(GalleryError, match="'b'"):
        gallery.enrol([*good, enrolment("b", embedding)])
    assert gallery.counts().templates == 0


def test_a_probe_that_cannot_be_searched_is_refused(gallery: LocalGallery) -> None:
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
        LocalGallery.open(folder, contract=other)
    assert own in str(caught.value)
    assert other in str(caught.value)
    assert caught.value.fields == {"gallery": own, "bundle": other}
    LocalGallery.open(folder, contract=own).close()  # the failure has left no lock


def test_a_bundle_swapped_inside_the_gallery_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.rmtree(folder / "bundle")
    other_bundle(folder / "bundle")
    with pytest.raises(ContractMismatchError):
        LocalGallery.open(folder, readonly=True)


def test_a_gallery_is_not_made_over_anything_or_from_a_broken_bundle(
    folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(GalleryError, match="exists already"):
        LocalGallery.create(folder, TINY)
    broken = other_bundle(tmp_path / "broken")
    (broken / "range_view.onnx").write_bytes(b"")
    with pytest.raises(BundleError):
        LocalGallery.create(tmp_path / "new", broken)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken", "gallery"]
    with pytest.raises(GalleryError, match="no gallery"):
        LocalGallery.open(tmp_path / "new")


def test_reading_only_changes_nothing_and_needs_no_lock(gallery: LocalGallery) -> None:
    people = enrolments(["a", "b"])
    gallery.enrol(people[:1])
    with LocalGallery.open(Path(gallery.location), readonly=True) as reader:
        assert len(reader.identify(people[0].embedding)) == 1
        gallery.enrol(people[1:])
        assert len(reader.identify(people[0].embedding)) == 2  # sees what the other one writes
        for change in (lambda: reader.enrol(people), lambda: reader.remove_subject("a")):
            with pytest.raises(GalleryError, match="reading only"):
                change()


def test_a_full_disk_is_said_and_leaves_nothing_half_written(gallery: LocalGallery) -> None:
    first, *rest = enrolments([f"p{i}" for i in range(50)])
    gallery.enrol([first])
    writer = gallery._store._writer
    assert writer is not None
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages + 3}")
    with pytest.raises(StorageError, match="no space left"):
        gallery.enrol(rest)
    assert gallery.counts().templates == 1
    assert [c.subject for c in gallery.identify(first.embedding)] == ["p0"]
    writer.execute("PRAGMA max_page_count = 1000000")
    gallery.enrol(rest)
    assert len(gallery.identify(first.embedding, top_k=99)) == 50


def test_a_damaged_embedding_is_named_and_its_subject_can_be_removed(folder: Path) -> None:
    people = enrolments(["somebody", "b"])
    with LocalGallery.open(folder) as gallery:
        gallery.enrol(people)
    database = sqlite3.connect(folder / STORE)
    (blob,) = database.execute("SELECT sealed FROM templates WHERE id = 1").fetchone()
    damaged = bytes([*blob[:100], blob[100] ^ 4, *blob[101:]])
    database.execute("UPDATE templates SET sealed = ? WHERE id = 1", (damaged,))
    database.commit()
    database.close()
    with LocalGallery.open(folder) as gallery:
        with pytest.raises(GalleryCorruptError, match="template 1 ") as caught:
            gallery.identify(people[1].embedding)
        assert "somebody" not in str(caught.value), "messages are logged"
        assert gallery.template(1).subject == "somebody"
        for missing in (9, 10**30):
            with pytest.raises(GalleryError, match=f"no template {missing}"):
                gallery.template(missing)
        assert len(gallery.subjects()) == 2
        gallery.remove_subject("somebody")
        assert gallery.identify(people[1].embedding)[0].subject == "b"


@pytest.mark.parametrize("damage", ["header", "empty", "tables"])
def test_a_damaged_database_is_refused(folder: Path, damage: str) -> None:
    path = folder / STORE
    if damage == "header":
        path.write_bytes(b"not a database, whatever its name says" * 100)
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        database = sqlite3.connect(path)
        database.execute("DROP TABLE meta")
        database.commit()
        database.close()
    with pytest.raises(GalleryError, match=r"damaged|schema 0"):
        LocalGallery.open(folder)


def test_a_later_schema_is_refused(folder: Path) -> None:
    database = sqlite3.connect(folder / STORE)
    database.execute("PRAGMA user_version = 9")
    database.close()
    with pytest.raises(GalleryError, match="schema 9"):
        LocalGallery.open(folder)


def test_threads_see_their_own_writes_at_once(gallery: LocalGallery) -> None:
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


def test_embeddings_come_in_the_order_asked_for_without_what_was_erased(
    gallery: LocalGallery,
) -> None:
    people = enrolments(["a", "b", "c"])
    gallery.enrol(people)
    gallery.remove_subject("b")
    found = gallery._store.present([3, 2, 1, 3, 99])
    assert np.isnan(found[[1, 4]]).all()
    assert np.array_equal(found[[0, 2, 3]], [people[n].embedding for n in (2, 0, 2)])


def test_an_enrolment_is_of_its_clip() -> None:
    clip = walk(1, 4, Modality.RANGE_VIEW)
    made = Enrolment.of("a", clip, random_embeddings(1)[0], "here", AUTHORISATION)
    assert (made.frames, made.modality) == (4, Modality.RANGE_VIEW)
    shorter = replace(clip, frames=clip.frames[:3])
    assert Enrolment.of("a", shorter, made.embedding, "here", AUTHORISATION).digest != made.digest
