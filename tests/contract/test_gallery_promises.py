"""What every gallery promises, whatever its record and its index: two engines of each, all real."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from gait.errors import (
    ConfigError,
    ContractMismatchError,
    GalleryCorruptError,
    GalleryEmptyError,
    GalleryError,
    StorageError,
    SubjectNotFoundError,
    TemplateNotFoundError,
)
from gait.manifest import Manifest
from gait.modality import Modality
from gallery.gallery import Gallery
from gallery.opening import create_gallery, open_gallery
from gallery.record import clock
from gallery.record.sealing import Held
from gallery.search.cohort import bundle_cohort
from gallery.search.fusion import DEFAULT, Fusion, subject_similarity
from gallery.template import Authorisation, Candidate, Enrolment
from tests import servers
from tests.galleries import (
    AUTHORISATION,
    DIMENSION,
    TINY,
    bundle_with_cohort,
    enrolment,
    enrolments,
    other_bundle,
    random_embeddings,
    stored,
)

pytestmark = pytest.mark.serving

ENGINES = ("sqlite+memory", "postgres+memory", "sqlite+milvus", "postgres+milvus")
NUMBERS = count()

SOON = 2_000_000_000
"""Seconds since 1970 at which what expires soon expires."""
BRIEF = Authorisation("warrant 5", datetime.fromtimestamp(SOON, UTC))


class Place(NamedTuple):
    """Where a gallery can be made, and with which index."""

    location: str
    proposes: str

    def create(self) -> Gallery:
        """Makes it."""
        return create_gallery(self.location, TINY, index=self.proposes)

    def open(self, *, readonly: bool = False) -> Gallery:
        """Opens it."""
        return open_gallery(self.location, bundle=TINY, index=self.proposes, readonly=readonly)


def place_of(engines: str, request: pytest.FixtureRequest) -> Place:
    """A new place for a gallery on these engines, whose servers are started if need be."""
    record, index = engines.split("+")
    name = f"g{next(NUMBERS)}"
    if record == "sqlite":
        location = str(request.getfixturevalue("tmp_path_factory").mktemp(name) / name)
    else:
        location = f"{request.getfixturevalue('postgres_url')}?gallery={name}"
    return Place(location, "memory" if index == "memory" else request.getfixturevalue("milvus_uri"))


@pytest.fixture(params=ENGINES)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Where a gallery on each pair of engines can be made; its index is removed afterwards."""
    yield (made := place_of(request.param, request))
    if "milvus" in made.proposes:
        with suppress(GalleryError), made.open() as gallery:
            gallery.drop_index()


@pytest.fixture
def gallery(place: Place) -> Iterator[Gallery]:
    """An empty gallery on each pair of engines, open."""
    with place.create() as opened:
        yield opened


on_each_record = pytest.mark.parametrize("place", ENGINES[:2], indirect=True)
"""Of tests of what an index has no part in: once on each kind of record."""


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the wall clock."""
    return lambda seconds: monkeypatch.setattr(clock, "now", lambda: seconds)


def test_what_was_enrolled_is_found_at_once_and_after_opening_again(place: Place) -> None:
    people = enrolments([f"p{i}" for i in range(12)])
    with place.create() as gallery:
        for number, person in enumerate(people, start=1):
            assert gallery.enrol([person]) == [number]
            found = gallery.identify(person.embedding, top_k=1)[0]
            assert (found.subject, found.template) == (person.subject, number)
            assert found.similarity == pytest.approx(1, abs=1e-5)
        own, revision = gallery.id, gallery.revision
    with place.open() as gallery:
        assert (gallery.id, gallery.revision) == (own, revision) == (own, 12)
        assert [gallery.identify(p.embedding, 1)[0].subject for p in people] == [
            p.subject for p in people
        ]
        assert gallery.contract == Manifest.load(gallery.bundle).contract
        assert gallery.dimension == DIMENSION


def test_results_are_by_subject_with_the_best_template_in_order(gallery: Gallery) -> None:
    vectors = random_embeddings(40)
    gallery.enrol([enrolment(f"p{i % 4}", v, source=f"walk {i}") for i, v in enumerate(vectors)])
    query = random_embeddings(1, seed=9)[0]
    found = gallery.identify(query, top_k=10, fusion=Fusion.BEST)
    similarities = vectors @ query
    best = {f"p{p}": max(similarities[p::4]) for p in range(4)}
    assert [c.subject for c in found] == sorted(best, key=lambda name: -best[name])
    assert [c.similarity for c in found] == pytest.approx(
        sorted(best.values(), reverse=True), abs=1e-5
    )
    assert [c.source for c in found] == [f"walk {c.template - 1}" for c in found]
    assert len(gallery.identify(query, top_k=3)) == 3


def test_a_subject_with_many_templates_hides_nobody(gallery: Gallery) -> None:
    query = random_embeddings(1, seed=9)[0]
    near = query + 0.01 * random_embeddings(150, seed=1)
    near = (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32)
    gallery.enrol([enrolment("crowd", v) for v in near] + enrolments(["a", "b", "c"], seed=2))
    found = gallery.identify(query, top_k=4)
    assert found[0].subject == "crowd"
    assert {c.subject for c in found} == {"crowd", "a", "b", "c"}


def test_equally_similar_subjects_come_in_order_of_their_templates(gallery: Gallery) -> None:
    (vector,) = random_embeddings(1)
    gallery.enrol([enrolment(name, vector) for name in ("c", "a", "b")])
    assert [c.subject for c in gallery.identify(vector)] == ["c", "a", "b"]


def test_modalities_and_subjects_can_be_searched_apart(gallery: Gallery) -> None:
    camera, lidar = random_embeddings(2)
    gallery.enrol([enrolment("a", camera), enrolment("b", lidar, Modality.RANGE_VIEW)])
    assert [c.subject for c in gallery.identify(camera)] == ["a", "b"]
    (only,) = gallery.identify(camera, modality=Modality.RANGE_VIEW)
    assert (only.subject, only.modality) == ("b", Modality.RANGE_VIEW)
    assert [c.subject for c in gallery.identify(camera, subjects=["b", "nobody"])] == ["b"]
    for nobody in ([], ["nobody"]):
        assert gallery.identify(camera, subjects=nobody) == []
    assert gallery.identify(camera, subjects=["b"], modality=Modality.SILHOUETTE) == []


def test_normalised_similarities_are_the_same_to_the_bit_on_all_engines(
    place: Place, tmp_path: Path
) -> None:
    """Each is what it is said to be, computed one by one: so it depends on no engine."""
    bundle = bundle_with_cohort(tmp_path / "bundle")
    cohort = bundle_cohort(bundle)
    assert cohort is not None
    vectors = random_embeddings(60)
    kinds = [Modality.SILHOUETTE, Modality.RANGE_VIEW]
    people = [enrolment(f"p{i % 20}", v, kinds[i // 20 % 2]) for i, v in enumerate(vectors)]
    with create_gallery(place.location, bundle, index=place.proposes) as gallery:
        gallery.enrol(people)
        for number, probe in enumerate(random_embeddings(4, seed=5)):
            seen_by = kinds[number % 2]
            expected = {}
            for name in {person.subject for person in people}:
                own = [person for person in people if person.subject == name]
                kept = stored(np.array([each.embedding for each in own]))
                values = [
                    float(np.einsum("nd,d->n", embedding[np.newaxis], probe)[0])
                    - (
                        cohort.share(seen_by, probe, each.modality)
                        + cohort.share(each.modality, embedding, seen_by)
                    )
                    for each, embedding in zip(own, kept, strict=True)
                ]
                expected[name] = subject_similarity(DEFAULT, values, [e.modality for e in own])
            found = gallery.search(probe, seen_by, top_k=20).candidates
            assert {c.subject: c.similarity for c in found} == expected
            first = found[0]
            assert gallery.verify(probe, seen_by, first.subject).candidates == [first]
            raw = gallery.identify(probe, top_k=20)
            assert {c.subject: c.similarity for c in raw} != expected
        gallery.drop_index()


@on_each_record
def test_nothing_to_search_and_wrong_probes_are_said(gallery: Gallery) -> None:
    query = random_embeddings(1)[0]
    assert gallery.identify(query) == []
    gallery.enrol(enrolments(["a"]))
    for wrong in (query[:-1], np.full_like(query, np.nan)):
        with pytest.raises(GalleryError, match="finite numbers"):
            gallery.identify(wrong)
    with pytest.raises(GalleryError, match="top_k"):
        gallery.identify(query, top_k=0)


def test_a_removed_subject_is_gone_and_its_ids_are_never_used_again(gallery: Gallery) -> None:
    people = enrolments(["a", "b", "a"])
    assert gallery.enrol(people) == [1, 2, 3]
    receipt = gallery.remove_subject("a")
    assert (receipt.gallery, receipt.subject) == (gallery.id, "a")
    assert receipt.templates == (1, 3)
    assert receipt.revision == gallery.revision == 2
    assert len(receipt.key) == 32
    where = "overwritten" if "://" not in gallery.location else "deleted"
    assert receipt.destruction == where
    assert [c.subject for c in gallery.identify(people[0].embedding)] == ["b"]
    assert [s.name for s in gallery.subjects()] == ["b"]
    for call in (gallery.remove_subject, gallery.templates):
        with pytest.raises(SubjectNotFoundError, match="'a'"):
            call("a")
    assert gallery.enrol([people[0]]) == [4]
    gallery.remove_subject("a")
    gallery.remove_subject("b")
    assert gallery.enrol(enrolments(["c"], seed=3)) == [5]


@on_each_record
def test_one_template_can_be_removed_and_the_last_takes_its_subject_along(
    gallery: Gallery,
) -> None:
    first, second = random_embeddings(2)
    gallery.enrol([enrolment("a", first), enrolment("a", second)])
    assert gallery.remove_template(1).templates == (1,)
    assert [t.id for t in gallery.templates("a")] == [2]
    assert gallery.identify(first, 1)[0].template == 2
    assert gallery.remove_template(2).subject == "a"
    assert gallery.subjects() == []
    assert gallery.counts().subjects == 0
    for missing in (2, 0, -1, 2**70):
        with pytest.raises(TemplateNotFoundError, match="no template"):
            gallery.remove_template(missing)


@on_each_record
def test_the_same_clip_is_enrolled_once_and_gets_the_new_authorisation(gallery: Gallery) -> None:
    (person,) = enrolments(["a"])
    other = enrolments(["b"], seed=1)
    assert gallery.enrol([person, person, *other]) == [1, 1, 2]
    renewed = replace(person, authorisation=BRIEF)
    assert gallery.holds("a", person.digest, AUTHORISATION)
    assert not gallery.holds("a", person.digest, BRIEF)
    assert gallery.enrol([renewed]) == [1]
    assert gallery.holds("a", person.digest, BRIEF)
    assert not gallery.holds("b", person.digest, BRIEF)
    assert not gallery.holds("nobody", person.digest, BRIEF)
    (template,) = gallery.templates("a")
    assert (template.authorisation, template.expires) == ("warrant 5", "2033-05-18T03:33:20+00:00")
    assert template.digest == person.digest
    assert gallery.counts().templates == 2


@on_each_record
def test_all_or_nothing_is_enrolled(gallery: Gallery) -> None:
    good, other = enrolments(["a", "b"])
    for bad in (
        replace(other, embedding=other.embedding[:-1]),
        replace(other, embedding=2 * other.embedding),
        replace(other, authorisation=Authorisation("old", datetime(2001, 1, 1, tzinfo=UTC))),
    ):
        with pytest.raises(GalleryError):
            gallery.enrol([good, bad])
    assert gallery.counts().templates == gallery.revision == 0
    assert gallery.subjects() == []


def test_the_expired_leave_every_search_at_once_and_are_erased_when_asked(
    gallery: Gallery, at: Callable[[int], None]
) -> None:
    brief, lasting, both = random_embeddings(3)
    gallery.enrol(
        [
            enrolment("brief", brief, authorisation=BRIEF),
            enrolment("lasting", lasting),
            enrolment("both", both, authorisation=BRIEF),
            enrolment("both", -both),
        ]
    )
    at(SOON - 1)
    assert gallery.identify(brief, 1)[0].subject == "brief"
    assert gallery.erase_expired(trust_clock=True) == []
    assert gallery.expiring(BRIEF.expires) == 0
    assert gallery.expiring(datetime.fromtimestamp(SOON + 1, UTC)) == 2
    at(SOON + 90_000)
    assert {c.subject for c in gallery.identify(brief)} == {"lasting", "both"}
    assert gallery.compare(both, "both").similarity == pytest.approx(-1, abs=1e-5)
    with pytest.raises(GalleryEmptyError, match="expired"):
        gallery.compare(brief, "brief")
    assert gallery.counts().templates == 4
    assert gallery.erase_expired() == [], "the clock is years ahead of the record"
    assert gallery.clock_ahead() > 3600
    receipts = gallery.erase_expired(trust_clock=True)
    assert [(r.subject, r.templates) for r in receipts] == [("brief", (1,)), ("both", (3,))]
    assert [s.name for s in gallery.subjects()] == ["both", "lasting"]
    assert gallery.counts().templates == 2


def test_an_authorisation_that_is_given_anew_counts_for_all_templates(gallery: Gallery) -> None:
    brief, other, third = random_embeddings(3)
    gallery.enrol(
        [
            enrolment("Brief", brief, authorisation=BRIEF),
            enrolment("Brief", other),
            enrolment("third", third),
        ]
    )
    later = datetime.fromtimestamp(SOON + 1, UTC)
    ending = [(each.subject, each.expires, each.templates) for each in gallery.ending(later, 9)]
    assert ending == [("Brief", BRIEF.expires.isoformat(timespec="seconds"), 1)]
    assert [each.name for each in gallery.subjects(contains="rI")] == ["Brief"]
    before = gallery.identify(brief, 1)[0]
    assert gallery.authorise("Brief", AUTHORISATION) == 2
    assert gallery.ending(later, 9) == []
    assert {each.authorisation for each in gallery.templates("Brief")} == {"consent 17"}
    assert gallery.identify(brief, 1)[0] == before
    revision = gallery.revision
    with pytest.raises(SubjectNotFoundError):
        gallery.authorise("nobody", AUTHORISATION)
    with pytest.raises(GalleryError, match="expired"):
        gallery.authorise("Brief", Authorisation("old", datetime(2001, 1, 1, tzinfo=UTC)))
    assert gallery.revision == revision


@on_each_record
def test_comparing_with_one_subject(gallery: Gallery) -> None:
    camera, lidar, probe = random_embeddings(3)
    gallery.enrol([enrolment("a", camera), enrolment("a", lidar, Modality.RANGE_VIEW)])
    gallery.enrol(enrolments(["b"], seed=5))
    found = gallery.compare(probe, "a")
    assert found.similarity == pytest.approx(max(camera @ probe, lidar @ probe), abs=1e-5)
    assert gallery.compare(probe, "a", Modality.RANGE_VIEW).template == 2
    with pytest.raises(GalleryEmptyError):
        gallery.compare(probe, "b", Modality.RANGE_VIEW)
    with pytest.raises(SubjectNotFoundError):
        gallery.compare(probe, "nobody")


@on_each_record
def test_merging_keeps_a_clip_of_both_once(gallery: Gallery) -> None:
    one, two, three = random_embeddings(3)
    gallery.enrol([enrolment("a", one), enrolment("a", two), enrolment("b", two)])
    gallery.enrol([enrolment("b", three), *enrolments(["c"], seed=7)])
    assert gallery.merge("b", "a") == 1
    assert [t.id for t in gallery.templates("a")] == [1, 2, 4]
    assert {t.subject for t in gallery.templates("a")} == {"a"}
    assert gallery.identify(three, 1)[0].subject == "a"
    assert [s.name for s in gallery.subjects()] == ["a", "c"]
    for pair in (("b", "a"), ("a", "nobody")):
        with pytest.raises(SubjectNotFoundError):
            gallery.merge(*pair)
    with pytest.raises(GalleryError, match="twice"):
        gallery.merge("a", "a")
    assert gallery.counts().templates == 4


@on_each_record
def test_subjects_come_in_pages_in_order_of_name(gallery: Gallery) -> None:
    names = ['O"Neil', "O'Neil", "Ähm", "z", "Z", "a b", "李", "a", "%_", "{x}"]
    vectors = random_embeddings(2 * len(names))
    gallery.enrol([enrolment(n, v) for n, v in zip(names, vectors, strict=False)])
    gallery.enrol([enrolment("a", vectors[-1], Modality.RANGE_VIEW)])
    everyone = gallery.subjects()
    assert [s.name for s in everyone] == sorted(names)
    paged, after = [], None
    while page := gallery.subjects(after, 3):
        assert len(page) <= 3
        paged += page
        after = page[-1].name
    assert paged == everyone
    (a,) = [s for s in everyone if s.name == "a"]
    assert (a.silhouettes, a.range_views) == (1, 1)
    assert gallery.subjects(limit=0) == []
    for name, vector in zip(names, vectors, strict=False):
        assert gallery.identify(vector, 1, subjects=[name])[0].subject == name
    gallery.remove_subject('O"Neil')
    assert 'O"Neil' not in [s.name for s in gallery.subjects()]


@on_each_record
def test_embeddings_and_templates_by_id(gallery: Gallery) -> None:
    people = enrolments(["a", "b", "c"])
    gallery.enrol(people)
    got = gallery.embeddings([3, 1, 1])
    assert got.dtype == np.float32
    kept = stored(np.array([person.embedding for person in people]))
    assert np.array_equal(got, kept[[2, 0, 0]])
    assert gallery.embeddings([]).shape == (0, DIMENSION)
    assert (gallery.template(2).subject, gallery.template(2).frames) == ("b", 10)
    for missing in (4, 0, -1, 2**70):
        with pytest.raises(TemplateNotFoundError):
            gallery.template(missing)
    with pytest.raises(TemplateNotFoundError):
        gallery.embeddings([1, 4])


def test_counts_and_health(gallery: Gallery, place: Place) -> None:
    assert gallery.health().templates == 0
    vectors = random_embeddings(30)
    sides = [Modality.RANGE_VIEW if i % 3 else Modality.SILHOUETTE for i in range(30)]
    gallery.enrol(
        [enrolment(f"p{i % 7}", v, m) for i, (v, m) in enumerate(zip(vectors, sides, strict=True))]
    )
    counts = gallery.counts()
    assert (counts.subjects, counts.silhouettes, counts.range_views) == (7, 10, 20)
    health = gallery.health()
    assert (health.self_hit, health.recall, health.templates) == (1, 1, 30)
    assert health.engine == ("milvus" if "milvus" in place.proposes else "memory")
    assert health.damaged == ()
    gallery.refresh()
    assert gallery.ready


@on_each_record
def test_another_model_is_refused(place: Place, tmp_path: Path) -> None:
    location = place.location
    place.create().close()
    with pytest.raises(ContractMismatchError, match="was made with model"):
        open_gallery(location, bundle=other_bundle(tmp_path / "other"))
    with pytest.raises(ContractMismatchError):
        open_gallery(location, contract="0" * 64)
    open_gallery(location, bundle=TINY).close()


@on_each_record
def test_it_is_made_once_and_opened_only_if_it_is_there(place: Place) -> None:
    with pytest.raises(GalleryError, match="no gallery"):
        place.open()
    with place.create() as gallery:
        gallery.enrol(enrolments(["a"]))
    with pytest.raises(GalleryError, match="already"):
        place.create()
    with place.open() as gallery:
        assert gallery.counts().templates == 1


def test_read_only_refuses_every_change_and_sees_those_of_others(place: Place) -> None:
    with place.create() as writer, place.open(readonly=True) as reader:
        people = enrolments(["a", "b", "c"])
        writer.enrol(people)
        assert reader.identify(people[0].embedding, 1)[0].subject == "a"
        writer.remove_subject("a")
        assert reader.identify(people[0].embedding, 1)[0].subject != "a"
        assert reader.revision == writer.revision
        for change in (
            lambda: reader.enrol(people),
            lambda: reader.remove_subject("b"),
            lambda: reader.remove_template(2),
            lambda: reader.merge("b", "c"),
        ):
            with pytest.raises(GalleryError, match="reading only"):
                change()
        assert writer.counts().templates == 2


def test_threads_enrol_and_search_at_once(gallery: Gallery) -> None:
    groups = [enrolments([f"t{t} p{i}" for i in range(4)], seed=t) for t in range(4)]
    wrong: list[str] = []

    def enrol(group: list[Enrolment]) -> None:
        for person in group:
            gallery.enrol([person])
            if gallery.identify(person.embedding, 1)[0].subject != person.subject:
                wrong.append(person.subject)

    threads = [threading.Thread(target=enrol, args=(group,)) for group in groups]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert gallery.counts().templates == gallery.revision == 16


@pytest.mark.parametrize("subjects", [4, 60])
def test_searches_at_once_find_what_each_finds_alone(gallery: Gallery, subjects: int) -> None:
    vectors, sides = random_embeddings(240), list(Modality)
    gallery.enrol(
        [enrolment(f"p{i % subjects}", v, sides[i // 3 % 2]) for i, v in enumerate(vectors)]
    )
    probes = random_embeddings(64, seed=8)
    alone = [gallery.identify(probe, 3) for probe in probes]
    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(lambda probe: gallery.identify(probe, 3), probes)) == alone


@on_each_record
def test_rows_that_are_read_together_are_those_that_each_search_wants(gallery: Gallery) -> None:
    gallery.enrol([enrolment(f"p{i % 5}", v) for i, v in enumerate(random_embeddings(20))])
    record = gallery._record
    numbers = record.subject_numbers([f"p{i}" for i in range(5)])

    def ids(found: Sequence[Sequence[Held]]) -> list[list[int]]:
        return [[held.row.id for held in some] for some in found]

    templates = [[3, 1, 3, 99], [], [2, 1]]
    assert ids(record._read_templates(templates)) == [[1, 3], [], [1, 2]]
    apart = [([numbers[0], numbers[1]], [1]), ([numbers[3]], []), ([numbers[4]], [5, 20])]
    assert ids(record._read_subjects(apart)) == [
        [2, 6, 7, 11, 12, 16, 17],
        [4, 9, 14, 19],
        [10, 15],
    ]
    both = [([numbers[0], numbers[1]], [1]), ([numbers[0]], [6])]
    assert ids(record._read_subjects(both)) == [[2, 6, 7, 11, 12, 16, 17], [1, 11, 16]]


@pytest.mark.parametrize("fusion", list(Fusion))
def test_fusion_is_of_the_templates_that_are_searched(gallery: Gallery, fusion: Fusion) -> None:
    vectors = random_embeddings(15)
    gallery.enrol([enrolment(f"p{i % 3}", v) for i, v in enumerate(vectors)])
    query = random_embeddings(1, seed=4)[0]
    want = {f"p{p}": float(fusion(vectors[p::3] @ query)) for p in range(3)}
    found = gallery.identify(query, 3, fusion=fusion)
    assert [c.subject for c in found] == sorted(want, key=lambda name: -want[name])
    assert [c.similarity for c in found] == pytest.approx(
        [want[c.subject] for c in found], abs=1e-4
    )


@settings(
    max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**31), size=st.integers(1, 300), subjects=st.integers(1, 60))
def test_all_engines_answer_the_same_to_the_bit(
    request: pytest.FixtureRequest, seed: int, size: int, subjects: int
) -> None:
    rng = np.random.default_rng(seed)
    people = [
        enrolment(
            f"s{rng.integers(subjects)}",
            vector,
            list(Modality)[rng.integers(2)],
            authorisation=BRIEF if rng.random() < 0.2 else AUTHORISATION,
        )
        for vector in random_embeddings(size, seed=seed)
    ]
    some = [f"s{i}" for i in range(0, subjects, 2)]
    queries = random_embeddings(3, seed=seed + 1)
    answers = []
    for engines in ENGINES:
        with (
            place_of(engines, request).create() as gallery,
            pytest.MonkeyPatch.context() as patch,
        ):
            ids = gallery.enrol(people)
            erased = gallery.remove_subject(people[0].subject).templates
            patch.setattr(clock, "now", lambda: SOON)
            found = [
                _answer(gallery, query, modality, only, fusion)
                for query in queries
                for modality in (None, *Modality)
                for only in (None, some)
                for fusion in (DEFAULT, Fusion.BEST)
            ]
            names = [subject.name for subject in gallery.subjects()]
            answers.append((ids, erased, found, names, gallery.counts(), gallery.revision))
            gallery.drop_index()
    assert all(answer == answers[0] for answer in answers[1:])


def _answer(
    gallery: Gallery,
    query: np.ndarray,
    modality: Modality | None,
    only: list[str] | None,
    fusion: Fusion,
) -> list[Candidate]:
    return gallery.identify(query, 8, modality, subjects=only, fusion=fusion)


def test_identifying_and_comparing_give_one_similarity(gallery: Gallery) -> None:
    vectors = random_embeddings(40)
    sides = list(Modality)
    gallery.enrol([enrolment(f"p{i % 5}", v, sides[i % 2]) for i, v in enumerate(vectors)])
    probe = random_embeddings(1, seed=9)[0]
    for candidate in gallery.identify(probe):
        assert gallery.compare(probe, candidate.subject) == candidate
        mine = range(int(candidate.subject[1:]), 40, 5)
        want = subject_similarity(
            DEFAULT, [float(vectors[i] @ probe) for i in mine], [sides[i % 2] for i in mine]
        )
        assert candidate.similarity == pytest.approx(want, abs=1e-5)


def test_what_one_replica_enrols_another_finds_and_what_it_erases_is_gone(place: Place) -> None:
    people = enrolments(["a", "b", "c"])
    with place.create() as one, place.open() as other:
        for number, person in enumerate(people):
            (one, other)[number % 2].enrol([person])
            for replica in (one, other):
                assert replica.identify(person.embedding, 1)[0].subject == person.subject
        one.remove_subject("b")
        assert [c.subject for c in other.identify(people[1].embedding)] != []
        assert "b" not in [c.subject for c in other.identify(people[1].embedding)]
        other.merge("c", "a")
        assert one.identify(people[2].embedding, 1)[0].subject == "a"


def test_two_writers_lose_nothing_and_use_no_number_twice(place: Place) -> None:
    place.create().close()
    numbers: list[int] = []

    def write(writer: int) -> None:
        with place.open() as gallery:
            for person in enrolments([f"w{writer} p{i}" for i in range(10)], seed=writer):
                numbers.extend(gallery.enrol([person]))

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 21))
    with place.open() as gallery:
        assert (gallery.revision, gallery.counts().subjects) == (20, 20)


CHANGES = {
    "embedding": "UPDATE embeddings SET sealed = (SELECT e.sealed FROM embeddings e"
    " WHERE e.template = 1) WHERE template = 2",
    "key": "UPDATE subject_keys SET wrapped = (SELECT k.wrapped FROM subject_keys k"
    " WHERE k.subject = 1) WHERE subject = 2",
    "lost key": "DELETE FROM subject_keys WHERE subject = 2",
    "expiry": "UPDATE templates SET expires = expires + 1 WHERE id = 2",
    "authorisation": "UPDATE templates SET authorisation = 'another' WHERE id = 2",
    "source": "UPDATE templates SET source = 'elsewhere' WHERE id = 2",
    "name": "UPDATE subjects SET name = 'c' WHERE id = 2",
}


@on_each_record
@pytest.mark.parametrize("what", CHANGES)
def test_a_template_that_was_changed_in_the_database_is_left_out_and_reported(
    place: Place, what: str
) -> None:
    people = enrolments(["a", "b"])
    with place.create() as gallery:
        gallery.enrol(people)
        engine = gallery._record.engine
        schema = engine.get_execution_options().get("schema_translate_map", {None: "main"})[None]
        change = CHANGES[what]
        for table in ("embeddings", "subject_keys", "templates", "subjects"):
            change = change.replace(f" {table} ", f" {schema}.{table} ")
        with engine.connect() as connection:
            connection.execute(text(change))
    with place.open() as gallery:
        found = gallery.identify(people[1].embedding)
        assert [(c.subject, c.similarity < 0.9) for c in found] == [("a", True)]
        assert gallery.health().damaged == gallery.damaged == (2,)
        with pytest.raises(GalleryCorruptError, match="template 2 ") as caught:
            gallery.embeddings([2])
        assert "'b'" not in str(caught.value), "messages are logged"
        gallery.remove_subject(gallery.template(2).subject)
        assert gallery.identify(people[0].embedding, 1)[0].subject == "a"


def test_a_gallery_in_postgres_over_tls_verifies_the_server(
    postgres: servers.Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", servers.PASSWORD)
    with servers.database(postgres) as url:
        database = url.replace(f":{quote(servers.PASSWORD)}@", "@")
        verified = f"{database}?sslmode=verify-full&sslrootcert={postgres['ca']}&gallery=safe"
        person = enrolments(["a"])[0]
        with create_gallery(verified, TINY) as gallery:
            gallery.enrol([person])
            query = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            with gallery._record.engine.connect() as connection:
                assert connection.execute(query).scalar_one() is True
        with pytest.raises(StorageError, match="does not match host name"):
            open_gallery(verified.replace("localhost", "127.0.0.1"))
        monkeypatch.setenv("PGPASSWORD", "a wrong one")
        with pytest.raises(StorageError, match="password authentication failed") as caught:
            open_gallery(verified)
        assert "a wrong one" not in str(caught.value)
        for text_ in (verified.replace("postgres@", "postgres:secret@"), "mysql://host/db"):
            with pytest.raises(ConfigError) as refused:
                open_gallery(text_)
            assert "secret" not in str(refused.value)
