from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gait.errors import EvaluationError
from gait.metrics import Distance, cosine, euclidean
from gait.modality import Modality
from train.protocols.result import ProtocolResult
from train.protocols.sustech1k import CONDITIONS, Labels, evaluate_sustech1k

Array = np.ndarray
SIL, RV = Modality.SILHOUETTE, Modality.RANGE_VIEW


def labels(*clips: tuple[str, str, str]) -> Labels:
    subjects, types, views = zip(*clips, strict=True)
    return Labels(np.array(subjects), np.array(types), np.array(views))


def on_a_line(*positions: float) -> Array:
    return np.array(positions, dtype=np.float32)[:, None, None]


HAND = labels(
    ("ann", "00-nm", "000"),
    ("bob", "00-nm", "000"),
    ("ann", "00-nm", "090"),
    ("bob", "00-nm", "090"),
    ("ann", "01-nm", "000"),
    ("bob", "01-nm", "000"),
    ("ann", "01-nm", "090"),
    ("cid", "01-nm", "090"),
)
PLACES = on_a_line(0, 10, 1, 11, 2, 3, 4, 9)


def test_a_case_worked_by_hand() -> None:
    # 000 → 090: ann at 2 is 1 from ann and 9 from bob: rank 1. Bob at 3 is 2 from ann, 8 from bob:
    # rank 2. 090 → 000: ann at 4 is 4 from ann, 6 from bob: rank 1. Cid is not there: a miss.
    result = evaluate_sustech1k(PLACES, PLACES, HAND, bootstrap=10)
    for condition in ("Normal", "Overall"):
        row = result.row(probe=SIL, gallery=RV, distance="euclidean", condition=condition)
        values = {name: score.value for name, score in row.scores.items()}
        assert values == {"rank1": 50, "rank5": 75, "rank10": 75, "mAP": 62.5, "mINP": 62.5}
        assert (row.probes, row.subjects, row.misses) == (4, 3, 1)
        assert (row.cells, row.empty_cells) == (2, 0)
    assert result.gallery_rule.endswith("; 25% of these views lack the person, who is missed then")
    first = result.row(probe=SIL, gallery=RV, distance="euclidean", view="000")
    assert (first.scores["rank5"].value, first.probes, first.misses) == (100, 2, 0)
    # Of two people without a miss: 0.025 ** (1 / 2), Clopper and Pearson's bound.
    low, high = first.scores["rank5"].low, first.scores["rank5"].high
    assert (round(low, 1), high) == (15.8, 100)


def test_probe_and_gallery_modality_are_not_swapped() -> None:
    # Range views see bob at 1.5 from everywhere: silhouettes of ann then fall on bob.
    seen = PLACES.copy()
    seen[[1, 3]] = 1.5
    result = evaluate_sustech1k(PLACES, seen, HAND, bootstrap=2)

    def rank1(probe: Modality, gallery: Modality) -> float:
        return result.score(
            probe=probe, gallery=gallery, distance="euclidean", condition="Normal", view="000"
        ).value

    # Ann's silhouette at 2: range views of ann at 1, of bob at 1.5. Bob's at 3: bob is nearest.
    assert rank1(SIL, RV) == 50
    assert rank1(RV, SIL) == 50
    assert rank1(RV, RV) == 50
    seen[4] = 100  # ann's probe is lost to the LiDAR alone
    result = evaluate_sustech1k(PLACES, seen, HAND, bootstrap=2)
    assert (rank1(RV, SIL), rank1(RV, RV)) == (0, 50)
    assert (rank1(SIL, SIL), rank1(SIL, RV)) == (50, 50)


@pytest.mark.parametrize(
    ("kind", "sets"),
    [
        ("01-cr-uf", {"Carrying", "Uniform", "Overall"}),
        ("01-nm", {"Normal", "Overall"}),
        ("02-nm", {"Overall"}),
        ("04-nt-oc", {"Night", "Occlusion", "Overall"}),
        ("03-ub", {"Umbrella", "Overall"}),
        ("00-bg", {"Bag"}),
        ("00-nm", set()),
        ("00-nm-cl", set()),
    ],
)
def test_conditions_of_a_type(kind: str, sets: set[str]) -> None:
    people = labels(*zip(HAND.subjects, HAND.types, HAND.views, strict=True), ("ann", kind, "000"))
    places = np.concatenate([PLACES, on_a_line(2)])
    result = evaluate_sustech1k(places, places, people, bootstrap=2)
    plain = evaluate_sustech1k(PLACES, PLACES, HAND, bootstrap=2)
    grown = {
        name
        for name in CONDITIONS
        if result.row(probe=SIL, gallery=RV, condition=name).probes
        > plain.row(probe=SIL, gallery=RV, condition=name).probes
    }
    assert grown == sets


def test_empty_cells_are_left_out_and_counted() -> None:
    # Nobody's gallery has 180, and nobody walks with a bag at 090.
    people = labels(
        ("ann", "00-nm", "000"),
        ("ann", "00-nm", "090"),
        ("ann", "01-bg", "000"),
        ("ann", "01-bg", "180"),
        ("bob", "00-nm", "000"),
        ("bob", "00-nm", "090"),
    )
    places = on_a_line(0, 0, 0, 6, 10, 10)
    result = evaluate_sustech1k(places, places, people, bootstrap=5)
    row = result.row(probe=SIL, gallery=RV, distance="euclidean", condition="Bag")
    # Cells: 000→090 hit, 000→180 no gallery; 090 no probe; 180→000 and 180→090 not found.
    assert row.scores["rank1"].value == 50
    assert (row.cells, row.empty_cells) == (6, 3)
    assert "lack" not in result.gallery_rule
    nobody = result.row(probe=SIL, gallery=RV, condition="Night")
    assert (nobody.probes, nobody.scores, nobody.empty_cells) == (0, {}, 6)
    assert "–" in result.table()
    with pytest.raises(EvaluationError, match="rank1"):
        result.score(probe=SIL, gallery=RV, condition="Night")


def naive(
    distance: Array, people: Labels, members: list[int], rank: int
) -> tuple[dict[str, float], dict[str, float], int, int]:
    """Rank-`rank` and mAP per probe view, misses and empty cells; one probe at a time."""
    views = sorted(set(people.views))
    hits: dict[str, float] = {}
    precision: dict[str, float] = {}
    misses = empty = 0
    for i in views:
        cells = []
        for j in views:
            if i == j:
                continue
            gallery = [
                g for g, t in enumerate(people.types) if "00-nm" in t and people.views[g] == j
            ]
            probes = [m for m in members if people.views[m] == i]
            if not gallery or not probes:
                empty += 1
                continue
            found = []
            for m in probes:
                order = sorted(gallery, key=lambda g: distance[m, g])
                right = [people.subjects[g] == people.subjects[m] for g in order]
                misses += not any(right)
                ranks = [k for k, r in enumerate(right, 1) if r]
                ap = np.mean([n / k for n, k in enumerate(ranks, 1)]) if ranks else 0.0
                found.append((float(any(right[:rank])), float(ap)))
            cells.append(np.mean(found, axis=0))
        if cells:
            hits[i], precision[i] = 100 * np.mean(cells, axis=0)
    return hits, precision, misses, empty


def cases(seed: int, clips: int) -> Iterator[tuple[str, str, str]]:
    rng = np.random.default_rng(seed)
    types = ["00-nm", "00-nm", "01-nm", "01-cr-uf", "02-bg", "04-nt-oc"]
    for _ in range(clips):
        yield str(rng.integers(6)), str(rng.choice(types)), str(rng.choice(["000", "090", "180"]))
    yield from [("0", "00-nm", "000"), ("0", "01-nm", "090")]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 60))
def test_matches_a_naive_loop(seed: int, clips: int) -> None:
    people = labels(*cases(seed, clips))
    rng = np.random.default_rng(seed)
    silhouette, range_view = rng.normal(size=(2, len(people), 3, 4)).astype(np.float32)
    result = evaluate_sustech1k(silhouette, range_view, people, ranks=(1, 3), bootstrap=2)
    for distance, function in ((Distance.EUCLIDEAN, euclidean), (Distance.COSINE, cosine)):
        matrix = function(silhouette, range_view)
        for name, parts in CONDITIONS.items():
            members = [
                m
                for m, t in enumerate(people.types)
                if "00-nm" not in t and any(part in t for part in parts)
            ]
            hits, precision, misses, empty = naive(matrix, people, members, 3)
            row = result.row(probe=SIL, gallery=RV, distance=distance, condition=name)
            assert (row.probes, row.misses, row.empty_cells) == (len(members), misses, empty)
            if hits:
                assert row.scores["rank3"].value == pytest.approx(
                    np.mean([*hits.values()]), abs=1e-3
                )
                assert row.scores["mAP"].value == pytest.approx(
                    np.mean([*precision.values()]), abs=1e-3
                )
            for view, value in hits.items():
                per_view = result.row(
                    probe=SIL, gallery=RV, distance=distance, condition=name, view=view
                )
                assert per_view.scores["rank3"].value == pytest.approx(value, abs=1e-3)


def test_order_of_the_clips_does_not_matter() -> None:
    people = labels(*cases(3, 80))
    one, two = np.random.default_rng(3).normal(size=(2, len(people), 3, 4)).astype(np.float32)
    shuffled = np.random.default_rng(4).permutation(len(people))
    mixed = Labels(people.subjects[shuffled], people.types[shuffled], people.views[shuffled])
    first = evaluate_sustech1k(one, two, people, bootstrap=50)
    second = evaluate_sustech1k(one[shuffled], two[shuffled], mixed, bootstrap=50)
    assert first.to_json() == second.to_json()


def one_bad(row: int) -> NDArray[np.float32]:
    places = PLACES.copy()
    places[row] = np.inf
    return places


def wrong(**changes: object) -> ProtocolResult:
    arguments = {"silhouette": PLACES, "range_view": PLACES, "labels": HAND} | changes
    return evaluate_sustech1k(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"range_view": PLACES[:-1]}, "7 range_view embeddings and 8 labels"),
        ({"silhouette": np.full_like(PLACES, np.nan)}, "NaN"),
        ({"range_view": one_bad(5)}, "1 of 8 range_view embeddings, the first in row 5"),
        ({"ranks": (1, 1)}, "different"),
        ({"ranks": (0,)}, "1 or more"),
        ({"bootstrap": 0}, "0 resamples"),
        ({"labels": labels(*[("a", "00-nm", "000")] * 8)}, "0 others"),
        ({"labels": labels(*[("a", "01-nm", "000")] * 8)}, "0 gallery clips"),
    ],
)
def test_what_cannot_be_evaluated_is_an_error(changes: dict[str, object], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        wrong(**changes)


def test_labels_must_fit_each_other() -> None:
    with pytest.raises(EvaluationError, match=r"\[2, 2, 1\]"):
        Labels(np.array(["a", "b"]), np.array(["c", "d"]), np.array(["e"]))
    with pytest.raises(EvaluationError, match="string"):
        Labels(np.array([1]), np.array(["c"]), np.array(["e"]))
