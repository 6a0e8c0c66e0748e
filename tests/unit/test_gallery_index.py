"""Every rung of the index against a naive search over all templates."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gait.modality import Modality
from gallery.index.bits import Bits
from gallery.index.check import Witness, self_hit
from gallery.index.choice import EXACT_NUMBERS, chosen
from gallery.index.index import FRESH, Index
from gallery.index.live import LiveIndex
from gallery.index.rotation import rotated
from gallery.index.rows import Change, Filter
from gallery.index.rung import Rung, RungName
from gallery.index.segment import Segment
from gallery.template import Batch, Matrix
from tests.sources import FOREVER, MemorySource, unit, walks

pytestmark = pytest.mark.serving

ALL = Filter()
NOW = 1_000
EVERY_RUNG = pytest.mark.parametrize("name", list(RungName))


@contextmanager
def live(source: MemorySource, name: RungName | None, threads: int = 2) -> Iterator[LiveIndex]:
    """An index of a source, built."""
    with closing(LiveIndex(source, name, threads)) as index:
        index.refresh()
        yield index


def add(index: LiveIndex, source: MemorySource, embeddings: Matrix, subjects: list[int]) -> None:
    """Adds to the source, then tells the index."""
    before = source.writes
    batch = source.add(embeddings, subjects)
    index.follow(before, source.writes, added=batch)


def remove(index: LiveIndex, source: MemorySource, subject: int) -> None:
    """Removes a subject from the source, then tells the index."""
    before = source.writes
    gone = source.remove(subject)
    index.follow(before, source.writes, gone=gone)


def assert_same(index: LiveIndex, source: MemorySource, top_k: int, wanted: Filter) -> None:
    queries = walks(3, 1, source.dimension, seed=7)
    if source.kept:
        queries[0] = next(iter(source.kept.values()))[3]
    for query, hits in zip(queries, index.search(queries, top_k, wanted, NOW), strict=True):
        want = source.naive(query, top_k, wanted, NOW)
        assert [hit.similarity for hit in hits] == pytest.approx([s for *_, s in want], abs=1e-5)
        assert [(hit.subject, hit.template) for hit in hits] == [(s, t) for s, t, _ in want]


@settings(deadline=None, max_examples=60)
@given(
    name=st.sampled_from(list(RungName)),
    people=st.lists(st.integers(0, 12), min_size=1, max_size=90),
    writes=st.lists(
        st.tuples(st.sampled_from(["add", "remove", "change"]), st.integers(0, 12)), max_size=6
    ),
    top_k=st.integers(1, 15),
    modality=st.sampled_from([None, *Modality]),
    subjects=st.none() | st.sets(st.integers(0, 12), max_size=5),
    seed=st.integers(0, 1_000),
)
def test_every_rung_agrees_with_a_naive_search(
    name: RungName,
    people: list[int],
    writes: list[tuple[str, int]],
    top_k: int,
    modality: Modality | None,
    subjects: set[int] | None,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    source = MemorySource(64)

    def made(who: list[int]) -> Batch:
        return source.add(
            unit(rng.standard_normal((len(who), 64))),
            who,
            rng.integers(0, 2, len(who)).tolist(),
            rng.choice([NOW - 1, NOW, NOW + 1, FOREVER], len(who)).tolist(),
        )

    made(people)
    with live(source, name) as index:
        for what, who in writes:
            if what == "add":
                batch = made([who, who + 1])
                index.follow(source.writes - 1, source.writes, added=batch)
            elif what == "remove":
                remove(index, source, who)
            else:
                mine = np.array([t for t, (s, *_) in source.kept.items() if s == who], np.int64)
                change = Change(mine, subject=who + 1, expires=FOREVER)
                source.change(change)
                index.follow(source.writes - 1, source.writes, changes=[change])
        assert index.revision == source.writes
        assert source.built == 1
        assert_same(index, source, top_k, Filter(modality, subjects))


@EVERY_RUNG
@pytest.mark.parametrize("alone", [0, 262_144])
def test_every_rung_agrees_at_the_real_dimension(
    name: RungName, alone: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gallery.index.search._ALONE", alone)
    source = MemorySource(4096)
    embeddings = walks(300, 5, 4096)
    source.add(embeddings, np.arange(300).repeat(5).tolist())
    with live(source, name) as index:
        assert index.rung is name
        assert_same(index, source, 10, ALL)
        for subject in range(0, 300, 3):
            remove(index, source, subject)
        index.settled()
        assert_same(index, source, 10, ALL)
        assert_same(index, source, 5, Filter(None, {3, 4, 5, 7}))
        assert index.health().self_hit == 1
        assert index.health().templates == len(source.kept) == 1000


@EVERY_RUNG
def test_equal_templates_rank_by_number(name: RungName) -> None:
    same = np.repeat(walks(1, 1, 256), 600, axis=0)
    source = MemorySource(256)
    source.add(same, list(range(600)))
    with live(source, name) as index:
        (hits,) = index.search(same[:1], 5, ALL, NOW)
    assert [hit.template for hit in hits] == [1, 2, 3, 4, 5]


@EVERY_RUNG
def test_a_subject_with_many_templates_hides_nobody(name: RungName) -> None:
    crowd = unit(walks(1, 1, 256) + 0.01 * walks(700, 1, 256, seed=1))
    source = MemorySource(256)
    source.add(np.concatenate([crowd, walks(3, 1, 256, seed=2)]), [9] * 700 + [1, 2, 3])
    with live(source, name) as index:
        (hits,) = index.search(crowd[:1], 4, ALL, NOW)
    assert hits[0].subject == 9
    assert {hit.subject for hit in hits} == {9, 1, 2, 3}


@EVERY_RUNG
def test_a_hit_tells_what_was_compared_of_its_subject(name: RungName) -> None:
    embeddings = unit(walks(1, 1, 256) + 0.01 * walks(12, 1, 256, seed=1))
    source = MemorySource(256)
    source.add(embeddings, [0, 1, 2, 3] * 3)
    with live(source, name) as index:
        (hits,) = index.search(embeddings[:1], 2, ALL, NOW, further=2)
    assert sorted(t for hit in hits for t in hit.compared) == list(range(1, 13))
    for hit in hits:
        assert {(t - 1) % 4 for t in hit.compared} == {hit.subject}
        assert next(iter(hit.compared.items())) == (hit.template, hit.similarity)
        for template, similarity in hit.compared.items():
            exact = embeddings[template - 1] @ embeddings[0]
            assert similarity == pytest.approx(exact, abs=1e-6)


def _arrays(rung: Rung) -> dict[str, np.ndarray]:
    """Everything it holds of the embeddings."""
    return {key: array for key, array in vars(rung).items() if isinstance(array, np.ndarray)}


@EVERY_RUNG
def test_what_is_erased_is_overwritten(name: RungName) -> None:
    embeddings = walks(8, 1, 256)
    batch = MemorySource(256).add(embeddings, list(range(8)))
    segment = Segment.of(batch, name)
    before = {key: array.copy() for key, array in _arrays(segment.rung).items()}
    segment.erase(np.array([3, 5]))
    kept = [0, 1, 3, 5, 6, 7]
    for key, array in _arrays(segment.rung).items():
        if array.shape[1]:  # bits beyond the first, which few numbers have not
            assert before[key][[2, 4]].any()
        assert not array[[2, 4]].any()
        assert (array[kept] == before[key][kept]).all()
    scores, rows = segment.rung.near(embeddings[2:3], segment.rows.alive, 8)
    assert sorted(rows[0].tolist()) == kept
    assert np.isfinite(scores).all()


def test_a_rotation_keeps_norms_and_products() -> None:
    vectors = walks(10, 1, 300)
    turned = rotated(vectors)
    assert turned.shape == (10, 512)
    np.testing.assert_allclose(turned @ turned.T, vectors @ vectors.T, atol=1e-5)


def test_a_rotation_spreads_a_vector_with_one_number() -> None:
    single = np.zeros((1, 4096), np.float32)
    single[0, 17] = 1
    assert np.abs(rotated(single)).max() == pytest.approx(1 / 64)


def test_bits_take_an_eighth_of_a_byte_a_number() -> None:
    arrays = _arrays(Bits.of(walks(10, 1, 4096)))
    assert sum(array.nbytes for array in arrays.values()) == 10 * 512


def test_the_rung_follows_the_size() -> None:
    assert chosen(None, EXACT_NUMBERS // 4096, 4096) is RungName.EXACT
    assert chosen(None, EXACT_NUMBERS // 4096 + 1, 4096) is RungName.BITS
    assert chosen(RungName.INT8, 1, 4096) is RungName.INT8
    assert chosen(RungName.EXACT, 10**6, 4096) is RungName.EXACT


def test_an_index_climbs_as_it_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gallery.index.choice.EXACT_NUMBERS", 256 * 2_000)
    source, seen = MemorySource(256), []
    embeddings = walks(10_000, 1, 256)
    with live(source, None) as index:
        for start in range(0, 10_000, 500):
            who = list(range(start, start + 500))
            add(index, source, embeddings[start : start + 500], who)
            index.settled()
            seen.append(index.rung)
            hits = index.search(embeddings[: start + 500 : 50], 1, ALL, NOW)
            assert [hit.subject for (hit,) in hits] == list(range(0, start + 500, 50))
        assert source.built == 1
        assert index.health().self_hit == 1
    assert list(dict.fromkeys(seen)) == [RungName.EXACT, RungName.BITS]


def test_an_index_that_does_not_find_itself_is_refused(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def garbage(self: Bits, queries: object, allowed: np.ndarray, count: int) -> object:
        return np.zeros((1, 1), np.float32), np.zeros((1, 1), np.int64)

    source = MemorySource(256)
    source.add(walks(3_000, 1, 256), list(range(3_000)))
    monkeypatch.setattr(Bits, "near", garbage)
    monkeypatch.setattr("gallery.index.check.SAMPLE", 1)
    monkeypatch.setattr("gallery.index.live.self_hit", _one_at_a_time)
    with live(source, RungName.BITS) as index:
        assert index.rung is RungName.INT8
        assert_same(index, source, 5, ALL)
    assert "the bits index finds only" in caplog.text


def _one_at_a_time(index: Index, exactly: object, pool: object) -> float:
    return float(np.mean([self_hit(index, exactly, None, seed) for seed in range(20)]))  # type: ignore[arg-type]


def test_recall_counts_what_exact_search_finds() -> None:
    source = MemorySource(4096)
    source.add(walks(500, 4, 4096), np.arange(500).repeat(4).tolist())
    witness = Witness()
    for batch in source.batches(300):
        witness.see(batch)
    whole = Index(1).plus(1, next(source.batches(10_000)))
    assert witness.recall(whole, source.present, None).ten == 1
    half = whole.without(2, np.arange(1, 2_001, 2))
    assert 0.3 < witness.recall(half, source.present, None).ten < 0.7


@EVERY_RUNG
def test_searches_go_on_while_the_index_changes(
    name: RungName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stays is found by every search; whoever was removed before it began, by none."""
    monkeypatch.setattr("gallery.index.search._ALONE", 0)
    source = MemorySource(256)
    stay, go = walks(200, 1, 256), walks(3_000, 1, 256, seed=1)
    source.add(np.concatenate([stay, go]), list(range(3_200)))
    removed, wrong, stop = set[int](), list[str](), threading.Event()

    def look(index: LiveIndex, seed: int) -> None:
        rng = np.random.default_rng(seed)
        while not stop.is_set():
            before, who = set(removed), int(rng.integers(200))
            (hits,) = index.search(stay[who : who + 1], 20, ALL, NOW)
            if hits[0].subject != who or hits[0].similarity < 0.9999:
                wrong.append(f"{who} was not found")
            if before & {hit.subject for hit in hits}:
                wrong.append("a removed subject was found")

    with live(source, name) as index:
        lookers = [threading.Thread(target=look, args=(index, seed)) for seed in range(3)]
        for looker in lookers:
            looker.start()
        for subject in range(200, 3_200, 10):
            remove(index, source, subject)
            removed.add(subject)
            add(index, source, walks(10, 1, 256, seed=subject), list(range(10_000, 10_010)))
        index.settled()
        stop.set()
        for looker in lookers:
            looker.join()
        assert len(index) == 3_200 - 300 + 3_000
        assert len(index._index.segments) < 15
        assert source.built == 1
    assert wrong == []


def test_exact_segments_stay_few_as_the_gallery_grows_one_by_one() -> None:
    index, source = Index(0), MemorySource(64)
    for row, vector in enumerate(walks(300, 1, 64)):
        index = index.plus(row + 1, source.add(vector[np.newaxis], [row]))
    sizes = [len(segment) for segment in index.segments]
    assert sum(sizes) == 300 < FRESH
    assert len(sizes) <= 9  # log2(300) rounded up
    assert index.last == 300


def test_an_index_is_not_changed_by_what_is_added_to_it() -> None:
    source = MemorySource(64)
    index = Index(0).plus(1, source.add(walks(10, 1, 64), list(range(10))))
    query = walks(1, 1, 64, seed=3)
    before = index.search(query, 3, source.present)
    index.plus(2, source.add(walks(10, 1, 64, seed=1), list(range(10))))
    assert index.search(query, 3, source.present) == before
    assert index.revision == 1


def test_a_missed_write_makes_the_index_be_built_again() -> None:
    source = MemorySource(64)
    source.add(walks(5, 1, 64), list(range(5)))
    with live(source, None) as index:
        source.add(walks(1, 1, 64, seed=1), [5])
        add(index, source, walks(1, 1, 64, seed=2), [6])
        assert index.revision < 0
        index.refresh()
        assert source.built == 2
        assert_same(index, source, 7, ALL)


def test_an_empty_index_finds_nobody() -> None:
    with live(MemorySource(64), None) as index:
        assert index.search(walks(2, 1, 64), 5, ALL, NOW) == [[], []]
        assert index.health().templates == 0
        assert index.rung is RungName.EXACT
