"""Which template leaves."""

import doctest
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gallery.enrolment.template_cap
from gait.errors import GalleryError
from gait.modality import Modality
from gallery.enrolment.template_cap import Retention, keep_within, leaving
from gallery.opening import create_gallery
from tests.galleries import DIMENSION, TINY, enrolment, random_embeddings

pytestmark = pytest.mark.serving


def test_the_examples_in_the_docstrings() -> None:
    result = doctest.testmod(gallery.enrolment.template_cap)
    assert result.attempted
    assert result.failed == 0


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 9), st.integers(0, 99))
def test_against_naive_rules(count: int, seed: int) -> None:
    x = random_embeddings(count, seed)
    others = [[float(x[a] @ x[b]) for b in range(count) if b != a] for a in range(count)]
    assert leaving(Retention.NEWEST, x) == 0
    assert leaving(Retention.CENTRAL, x) == min(range(count), key=lambda a: sum(others[a]))
    gone = leaving(Retention.DIVERSE, x)
    assert max(others[gone]) == max(map(max, others))


def test_somebody_elses_clip_leaves_first() -> None:
    person, stranger = np.eye(2, DIMENSION, dtype=np.float32)
    x = np.stack([person, stranger, person + 0.1 * stranger, person - 0.1 * stranger])
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    assert leaving(Retention.CENTRAL, x) == 1
    assert leaving(Retention.DIVERSE, x) != 1


@pytest.mark.parametrize("retention", Retention)
def test_few_templates(retention: Retention) -> None:
    same = np.repeat(random_embeddings(1), 3, axis=0)
    assert leaving(retention, same) == 0
    assert leaving(retention, same[:1]) == 0
    with pytest.raises(GalleryError, match="no template"):
        leaving(retention, same[:0])


def test_beyond_the_cap_the_odd_ones_are_erased(tmp_path: Path) -> None:
    """Three walks of one person and two that are not theirs; the other sensor's four are apart."""
    rng = np.random.default_rng(3)
    own = random_embeddings(1)[0]
    like = [own + 0.02 * rng.standard_normal(DIMENSION) for _ in range(3)]
    vectors = [
        *random_embeddings(2, seed=5),
        *((v / np.linalg.norm(v)).astype(np.float32) for v in like),
    ]
    with create_gallery(tmp_path / "gallery", TINY) as gallery:
        ids = gallery.enrol([enrolment("a", v) for v in vectors])
        gallery.enrol(
            [enrolment("a", v, Modality.RANGE_VIEW) for v in random_embeddings(4, seed=7)]
        )
        bystander = gallery.enrol([enrolment("b", v) for v in random_embeddings(4, seed=9)])
        assert sorted(keep_within(gallery, ["a"], 3))[:2] == ids[:2]
        left = [t for t in gallery.templates("a") if t.modality is Modality.SILHOUETTE]
        assert [t.id for t in left] == ids[2:]
        assert len(gallery.templates("a")) == 6
        assert [t.id for t in gallery.templates("b")] == bystander
        assert keep_within(gallery, ["a"], 3) == []
        with pytest.raises(GalleryError, match="at least 1"):
            keep_within(gallery, ["a"], 0)
