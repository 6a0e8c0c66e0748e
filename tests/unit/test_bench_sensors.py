"""How probes of other sensors are ranked and decided: what is not there counts as missed."""

import numpy as np
import pytest

from bench.sensors.decisions import RATE, Decided, decided
from bench.sensors.rank import Embedded, rank1
from bench.sensors.walks import _decoded
from gait.modality import Modality
from gait.range_style import RangeStyle
from gallery.decision.fitting import calibrate
from gallery.search.cohort import Cohort
from tests.galleries import random_embeddings
from tests.raster_walkers import walker
from tests.walking_people import labelled

CAMERA, LIDAR = Modality
VIEWS = np.array(["000", "090", "180"])
PEOPLE = 12


def walks(seed: int, spread: float) -> Embedded:
    """One walk of each person from each view, about embeddings of their own."""
    rng = np.random.default_rng(seed)
    own = np.random.default_rng(7).normal(size=(PEOPLE, 16))
    people = np.repeat(np.arange(PEOPLE), len(VIEWS))
    vectors = own[people] / 4 + spread * rng.normal(size=(len(people), 16)) / 4
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Embedded(vectors.astype(np.float32), people, np.tile(VIEWS, PEOPLE))


def without(walks: Embedded, rows: list[int]) -> Embedded:
    """All but some walks."""
    kept = np.delete(np.arange(len(walks.people)), rows)
    return Embedded(walks.vectors[kept], walks.people[kept], walks.views[kept])


def test_a_probe_that_is_not_there_is_missed() -> None:
    gallery, probes = walks(0, 0.1), walks(1, 0.1)
    everybody = rank1(probes, gallery, PEOPLE)
    # Of twelve people without an error: 0.025 ** (1 / 12), by any table of Clopper and Pearson.
    assert (everybody.rank1, everybody.low, everybody.high) == (100, 73.5, 100)
    some = rank1(without(probes, [0, 1, 2, 20]), gallery, PEOPLE)
    assert (some.rank1, some.probes) == (round(100 * 32 / 36, 1), 36)
    assert some.low < some.rank1 <= some.high


@pytest.mark.parametrize("normalised", [False, True])
def test_decisions_are_those_of_a_naive_loop(normalised: bool) -> None:
    gallery, probes = walks(0, 0.6), without(walks(1, 0.6), [4, 9])
    cohort = Cohort.of({m: random_embeddings(30, dimension=16) for m in Modality})[0]
    cohort_used = cohort if normalised else None
    calibration = calibrate(
        labelled(60), contract="c", simulated=True, data="made up", cohort=cohort_used
    )
    found = decided((LIDAR, probes), (CAMERA, gallery), PEOPLE, cohort_used, calibration)
    pair = calibration.pair(LIDAR, "silhouette", 2)
    called = right = 0
    for vector, person, view in zip(probes.vectors, probes.people, probes.views, strict=True):
        similar = []
        for other in range(PEOPLE):
            rows = (gallery.people == other) & (gallery.views != view)
            values = [
                float(vector @ template)
                - (cohort.share(LIDAR, vector, CAMERA) if normalised else 0)
                - (cohort.share(CAMERA, template, LIDAR) if normalised else 0)
                for template in gallery.vectors[rows]
            ]
            similar.append(max(values))  # of two templates the better half is one
        others = [s for place, s in enumerate(similar) if place != person]
        right += similar[person] >= max(max(others), pair.threshold(RATE, PEOPLE).similarity)
        called += max(others) >= pair.threshold(RATE, PEOPLE - 1).similarity
    assert found == Decided(round(100 * called / 36, 1), round(100 * (1 - right / 36), 1))
    assert 0 < found.missed < 100


def test_walks_of_a_lidar_go_through_a_clip_file() -> None:
    clouds = [walker(k, np.arange(-20, 5, 0.8)) for k in range(6)]
    assert _decoded(clouds, RangeStyle.BINS).shape == (6, 3, 64, 64)
    assert _decoded([cloud[:, [0, 2, 1]] for cloud in clouds], RangeStyle.BINS).shape == (
        0,
        3,
        64,
        64,
    )  # refused
    assert _decoded([], RangeStyle.SCATTER).shape == (0, 3, 64, 64)
