"""Which template leaves."""

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gallery.retention
from gait.errors import GalleryError
from gallery.retention import Retention, leaving
from tests.galleries import DIMENSION, random_embeddings

pytestmark = pytest.mark.serving


def test_the_examples_in_the_docstrings() -> None:
    result = doctest.testmod(gallery.retention)
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
