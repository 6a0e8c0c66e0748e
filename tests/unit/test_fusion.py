"""Fusing a subject's templates, against naive loops and the promises the rules make."""

import doctest
import statistics
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gallery.search.fusion
from gait.errors import GalleryError
from gait.modality import Modality
from gallery.opening import create_gallery
from gallery.search.fusion import WIDER, Fusion, best, subject_similarity, top_mean, trimmed_mean
from tests.galleries import TINY, enrolment, random_embeddings

pytestmark = pytest.mark.serving

values = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=12)


def test_the_examples_in_the_docstrings() -> None:
    result = doctest.testmod(gallery.search.fusion)
    assert result.attempted >= 7
    assert result.failed == 0


@settings(deadline=None)
@given(values, st.integers(1, 5))
def test_top_mean_is_the_mean_of_the_better_half_at_most(row: list[float], m: int) -> None:
    want = statistics.fmean(sorted(row, reverse=True)[: min(m, (len(row) + 1) // 2)])
    assert float(top_mean(row, m)) == pytest.approx(want, abs=1e-9)


@settings(deadline=None)
@given(values, st.floats(1, 5))
def test_trimmed_mean_drops_what_is_far_from_the_median(row: list[float], cut: float) -> None:
    middle = statistics.median(row)
    limit = cut * 1.4826 * statistics.median(abs(value - middle) for value in row) + 1e-9
    want = statistics.fmean(value for value in row if abs(value - middle) <= limit)
    assert float(trimmed_mean(row, cut)) == pytest.approx(want, abs=1e-9)


@pytest.mark.parametrize("fusion", Fusion)
@settings(deadline=None)
@given(values)
def test_a_rule_takes_any_order_and_stays_within_its_values(
    fusion: Fusion, row: list[float]
) -> None:
    fused = float(fusion(row))
    assert min(row) - 1e-9 <= fused <= max(row) + 1e-9
    assert float(fusion(row[::-1])) == pytest.approx(fused, abs=1e-9)


@pytest.mark.parametrize("fusion", Fusion)
def test_many_rows_are_fused_like_each_alone(fusion: Fusion) -> None:
    rows = np.random.default_rng(0).uniform(-1, 1, (3, 4, 5))
    want = [[float(fusion(row)) for row in block] for block in rows]
    assert fusion(rows) == pytest.approx(np.array(want))


def test_one_wrong_template_moves_the_best_only() -> None:
    row = [0.1, 0.12, 0.14, 0.95]
    assert best(row) == 0.95
    assert top_mean([*row, 0.11, 0.13], m=1) == 0.95
    assert trimmed_mean(row) == pytest.approx(0.12)
    assert top_mean(row) == pytest.approx((0.14 + 0.95) / 2)


def test_a_subject_is_as_similar_as_in_the_better_modality() -> None:
    sil, lidar = Modality.SILHOUETTE, Modality.RANGE_VIEW
    seen = [sil, lidar, sil, lidar, sil, sil]
    similarities = [0.6, 0.3, 0.5, 0.2, 0.1, 0.1]
    assert subject_similarity(Fusion.TOP_MEAN, similarities, seen) == pytest.approx(0.55)
    assert subject_similarity(Fusion.BEST, similarities, seen) == pytest.approx(0.6)
    alone = subject_similarity(Fusion.TOP_MEAN, [0.3, 0.2], [lidar, lidar])
    assert alone == pytest.approx(0.3)


@pytest.mark.parametrize("fusion", Fusion)
def test_nothing_to_fuse(fusion: Fusion) -> None:
    with pytest.raises(GalleryError, match="at least one template"):
        fusion([])


def test_impossible_rules() -> None:
    with pytest.raises(GalleryError, match="best 0 templates"):
        top_mean([0.5], m=0)
    with pytest.raises(GalleryError, match="at least 1"):
        trimmed_mean([0.5], cut=float("nan"))


def test_a_gallery_ranks_subjects_by_what_was_fused(tmp_path: Path) -> None:
    vectors, query = random_embeddings(90), random_embeddings(1, seed=1)[0]
    sensors = [list(Modality)[row % 2] for row in range(90)]
    people = [f"p{row % 9}" for row in range(90)]
    with create_gallery(str(tmp_path / "g"), TINY) as gallery:
        gallery.enrol([enrolment(*each) for each in zip(people, vectors, sensors, strict=True)])
        for fusion in Fusion:
            want = {
                f"p{p}": subject_similarity(fusion, vectors[p::9] @ query, sensors[p::9])
                for p in range(9)
            }
            found = gallery.identify(query, 9, fusion=fusion)
            assert [c.subject for c in found] == sorted(want, key=lambda name: -want[name])
            assert [c.similarity for c in found] == pytest.approx(
                sorted(want.values(), reverse=True), abs=1e-5
            )
            sensor = Modality.RANGE_VIEW
            best = gallery.identify(query, 1, sensor, fusion=fusion)[0]
            rows = {p: [r for r in range(p, 90, 9) if sensors[r] is sensor] for p in range(9)}
            alone = [float(fusion(vectors[rows[p]] @ query)) for p in range(9)]
            assert best.similarity == pytest.approx(max(alone), abs=1e-5)


def test_one_wrong_clip_does_not_make_a_stranger_the_first(tmp_path: Path) -> None:
    person, stranger = random_embeddings(2)
    noise = 0.5 * random_embeddings(WIDER * 4, seed=1)
    clips = [(person if row % 2 else stranger) + noise[row] for row in range(8)]
    clips = [(clip / np.linalg.norm(clip)).astype(np.float32) for clip in clips]
    query = ((person + noise[9]) / np.linalg.norm(person + noise[9])).astype(np.float32)
    with create_gallery(str(tmp_path / "g"), TINY) as gallery:
        own = [enrolment("person", clip) for clip in clips[1::2]]
        gallery.enrol([*own, *(enrolment("stranger", clip) for clip in clips[::2])])
        gallery.enrol([enrolment("stranger", query, source="wrong clip")])
        assert gallery.identify(query, 1, fusion=Fusion.BEST)[0].subject == "stranger"
        for fusion in (Fusion.TOP_MEAN, Fusion.TRIMMED_MEAN):
            assert gallery.identify(query, 1, fusion=fusion)[0].subject == "person"
