"""Rank-1 on held-out people."""

import numpy as np
import pytest

from gait.metrics import Distance
from train.data.pack import Record
from train.loop.validate import can_validate, rank1

SUBJECTS = np.array(["a", "a", "b", "b"])
VIEWS = np.array(["0", "9", "0", "9"])


def at(*angles: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """One-part embeddings at these angles, in degrees."""
    radians = np.radians(angles)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)[:, None].astype(np.float32)


@pytest.mark.parametrize(
    ("probes", "percent"),
    [
        (at(0, 0, 90, 90), 100.0),
        (at(90, 90, 0, 0), 0.0),
        (at(0, 80, 90, 90), 75.0),
    ],
)
def test_percent_of_probes_whose_nearest_is_right(
    probes: np.ndarray[tuple[int, ...], np.dtype[np.float32]], percent: float
) -> None:
    found = rank1(probes, at(0, 10, 90, 80), SUBJECTS, VIEWS)
    assert found == dict.fromkeys(Distance, percent)


def test_who_was_seen_from_one_side_cannot_be_looked_for() -> None:
    def walks(*seen: tuple[str, str]) -> list[Record]:
        return [Record(subject, "nm", view, "train", 0, 1) for subject, view in seen]

    assert not can_validate([])
    assert not can_validate(walks(("a", "0"), ("a", "0"), ("b", "0")))
    assert not can_validate(walks(("a", "0"), ("b", "90"))), "nobody from two sides"
    assert can_validate(walks(("a", "0"), ("b", "0"), ("b", "90")))


def test_walks_of_the_probes_own_view_do_not_count() -> None:
    # Each probe equals its own walk in the gallery, but its subject from the other view is far.
    gallery = at(0, 90, 85, 5)
    assert rank1(gallery, gallery, SUBJECTS, VIEWS) == dict.fromkeys(Distance, 0.0)


def test_a_tie_with_somebody_else_is_a_miss_whoever_comes_first() -> None:
    """As in the protocols: a network that finds everything alike has found nobody."""
    alike = at(0, 0, 0, 0)
    assert rank1(alike, alike, SUBJECTS, VIEWS) == dict.fromkeys(Distance, 0.0)


def test_lengths_matter_to_the_euclidean_distance_alone() -> None:
    # By angle each probe is nearest to its own subject; by length to the other's.
    lengths = np.array([[[1]], [[1]], [[9]], [[9]]], np.float32)
    gallery = at(0, 10, 90, 80) * lengths
    probes = at(0, 10, 90, 80) * lengths[::-1]
    found = rank1(probes, gallery, SUBJECTS, VIEWS)
    assert found[Distance.COSINE] == 100.0
    assert found[Distance.EUCLIDEAN] < 100.0
