"""The index in memory: proposes what a naive ranking of codes does, and follows its record."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gait.modality import Modality
from gallery.index import memory
from gallery.index.codes import code_bytes, codes_of
from gallery.index.memory import MemoryIndex
from gallery.index.ranking import Near, Probe
from gallery.index.scan import BYTES, Scan
from tests.code_sources import CODE_BYTES, MemorySource, probe_of
from tests.galleries import random_embeddings

pytestmark = pytest.mark.serving


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=8),
    count=st.integers(1, 40),
    length=st.sampled_from([8, 64, 128]),
    modality=st.sampled_from([None, *Modality]),
)
def test_it_proposes_what_a_ranking_of_all_codes_does(
    seed: int, sizes: list[int], count: int, length: int, modality: Modality | None
) -> None:
    rng = np.random.default_rng(seed)
    source = MemorySource(length)
    index = MemoryIndex(source)
    assert index.revision < 0
    for size in sizes:
        numbers = source.add(size)
        source.remove(rng.choice(numbers, len(numbers) // 3, replace=False).tolist())
        if rng.random() < 0.5:
            index.follow()
    index.follow()
    assert index.revision == source.revision()
    assert index.health().templates == len(source.rows)
    code = rng.integers(0, 256, length, dtype=np.uint8)
    proposed = index.propose(probe_of(code), count, modality).tolist()
    assert proposed == source.nearest(code, count, modality)


def test_two_stages_find_the_near_among_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LEAST", 32)
    source = MemorySource(4 * CODE_BYTES)
    numbers = source.add(4000)
    index = MemoryIndex(source)
    index.follow()
    for number in numbers[::97]:
        code = source.rows[number][2].copy()
        code[::16] ^= 0x0F  # every thirty-second bit differs
        assert index.propose(probe_of(code), 1, None).tolist() == [number]


def test_a_scan_keeps_those_that_an_exact_estimate_ranks_first() -> None:
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 256, (5000, CODE_BYTES), dtype=np.uint8)
    probes = rng.standard_normal((3, 8 * CODE_BYTES)).astype(np.float32)
    bits = 8 * BYTES
    looked = np.unpackbits(codes, axis=1)[:, :bits].astype(np.float32) * 2 - 1
    best = np.argsort(-(probes[:, :bits] @ looked.T), axis=1)
    for some, order in zip(Scan(codes).nearest(probes, 400), best, strict=True):
        assert len(set(some.tolist())) == 400
        assert set(order[:300].tolist()) <= set(some.tolist())


@pytest.mark.parametrize("lowest", [1.0, -1.0, -2.0])
def test_of_equal_codes_as_many_are_kept_as_are_wanted(lowest: float) -> None:
    probe = np.linspace(lowest, lowest + 2, 256, dtype=np.float32)[np.newaxis]
    (rows,) = Scan(np.zeros((3000, 32), np.uint8)).nearest(probe, 1000)
    assert len(set(rows.tolist())) == 1000
    assert rows.min() >= 0


def test_the_nearest_are_ordered_by_how_much_each_bit_says() -> None:
    rng = np.random.default_rng(6)
    probe = Probe.of(rng.standard_normal(512).astype(np.float32))
    codes = rng.integers(0, 256, (400, CODE_BYTES), dtype=np.uint8)
    numbers = rng.permutation(400)
    differ = np.unpackbits(codes ^ probe.code, axis=1).astype(bool)
    sizes = np.abs(probe.numbers)
    weights = np.rint(sizes * (15 / sizes.max())).astype(int)
    last = np.sort(differ.sum(axis=1))[99]
    expected = sorted(
        (int(weights[row].sum()), int(number))
        for row, number in zip(differ, numbers, strict=True)
        if row.sum() <= last
    )
    proposed = Near.of(probe, numbers, codes).proposed(probe, 100)
    assert proposed.tolist() == [number for _, number in expected]


def test_what_was_erased_is_overwritten_in_memory() -> None:
    source = MemorySource()
    numbers = source.add(10)
    index = MemoryIndex(source)
    index.follow()
    gone = source.rows[numbers[0]][2].copy()
    held = [part for segment in index._segments for part in (segment, segment._scan)]

    def holding() -> int:
        return sum(bool((p.codes == gone[: p.codes.shape[1]]).all(axis=1).any()) for p in held)

    assert holding() == 2
    source.remove(numbers[:1])
    index.follow()
    assert holding() == 0


def test_segments_stay_few_while_templates_come_one_by_one() -> None:
    source = MemorySource()
    index = MemoryIndex(source)
    for _ in range(200):
        source.add(1)
        index.follow()
    assert len(index._segments) <= 2 * 8
    source.remove(list(source.rows)[:180])
    index.follow()
    assert sum(len(segment) for segment in index._segments) <= 2 * 20


@pytest.mark.parametrize("page", [70, 1500])
def test_what_comes_in_portions_makes_whole_segments(
    monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(memory, "LARGEST", 300)
    source = MemorySource(page=page)
    source.add(2000)
    index = MemoryIndex(source)
    index.follow()
    assert sum(len(segment) for segment in index._segments) == 2000
    assert len(index._segments) <= 2 * 4
    for number, (_, place, code) in list(source.rows.items())[::131]:
        only = list(Modality)[place]
        assert index.propose(probe_of(code), 1, only).tolist() == [number]


def test_searches_go_on_while_it_follows() -> None:
    source = MemorySource()
    index = MemoryIndex(source)
    first = source.add(50)
    index.follow()
    stop, wrong = threading.Event(), list[int]()

    def search() -> None:
        while not stop.is_set():
            number = first[0]
            if index.propose(probe_of(source.rows[number][2]), 1, None).tolist()[:1] != [number]:
                wrong.append(number)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(60):
        source.remove(source.add(20)[::2])
        index.follow()
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("dimension", [40, 256, 1024])
def test_codes_differ_by_the_angle_between_embeddings(dimension: int) -> None:
    one, other = random_embeddings(2, seed=3, dimension=dimension)
    for share in (0.0, 0.1, 0.5, 1.0):
        mixed = (1 - share) * one + share * other
        mixed /= np.linalg.norm(mixed)
        codes = codes_of(np.stack([one, mixed.astype(np.float32)]))
        assert codes.shape == (2, code_bytes(dimension)) == (2, 128)
        different = int(np.bitwise_count(codes[0] ^ codes[1]).sum()) / 1024
        angle = np.arccos(np.clip(one @ mixed, -1, 1)) / np.pi
        assert abs(different - angle) < 0.0625  # four deviations of 1,024 coins


def test_codes_of_few_numbers_still_find_the_most_alike() -> None:
    templates = random_embeddings(5000, seed=4, dimension=40)
    codes = codes_of(templates)
    for probe in random_embeddings(50, seed=5, dimension=40):
        best = int((templates @ probe).argmax())
        differ = np.bitwise_count(codes ^ codes_of(probe[np.newaxis])).sum(axis=1, dtype=int)
        assert int((differ < differ[best]).sum()) < 64
