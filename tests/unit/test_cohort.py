"""Normalising by a cohort: by a naive loop, hubs, files, and what is of another cohort."""

import io
from pathlib import Path

import numpy as np
import pytest

from gait.errors import BundleError, BundleTamperedError, CalibrationError
from gait.modality import Modality
from gallery.decision.decision import bundle_calibration
from gallery.decision.fitting import calibrate, compared
from gallery.opening import create_gallery
from gallery.search.cohort import NEAREST, SAME_SENSOR, WEIGHT, Cohort, bundle_cohort, similarity_of
from tests.galleries import DIMENSION, TINY, bundle_with_cohort, random_embeddings
from tests.walking_people import labelled

CAMERA, LIDAR = Modality


def cohort_of(people: int = 19, dimension: int = DIMENSION) -> Cohort:
    rng = np.random.default_rng(3)
    drawn = {m: rng.normal(size=(people, dimension)).astype(np.float32) for m in Modality}
    return Cohort.of(drawn)[0]


def test_what_is_taken_off_is_that_of_a_naive_loop() -> None:
    cohort = cohort_of()
    embeddings = random_embeddings(5)
    kinds = np.array([CAMERA, LIDAR, LIDAR, CAMERA, LIDAR])
    for place, other in enumerate(Modality):
        found = cohort.shares(kinds, embeddings)
        for kind, embedding, shares in zip(kinds, embeddings, found, strict=True):
            similar = sorted(float(sum(row * embedding)) for row in cohort.people[other])
            expected = WEIGHT * sum(similar[-NEAREST:]) / NEAREST
            expected += SAME_SENSOR / 2 if kind == other else 0
            assert cohort.share(Modality(kind), embedding, other) == pytest.approx(
                expected, abs=1e-6
            )
            assert shares[place] == pytest.approx(expected, abs=1e-6)
    one, two = embeddings[:2]
    expected = one @ two - cohort.share(CAMERA, one, LIDAR) - cohort.share(LIDAR, two, CAMERA)
    assert similarity_of(cohort, (CAMERA, one), (LIDAR, two)) == pytest.approx(expected, abs=1e-6)
    assert similarity_of(None, (CAMERA, one), (LIDAR, two)) == pytest.approx(one @ two, abs=1e-6)


def test_who_resembles_everybody_is_less_often_taken_for_somebody() -> None:
    clips = labelled(80, dimension=24)
    common = np.ones(24, np.float32) / np.sqrt(24)
    hub = clips.subjects < "0010"
    clips.embeddings[hub] += 0.9 * common
    others = labelled(40, dimension=24, seed=5)
    others.embeddings[:] += 0.5 * common
    for each in (clips.embeddings, others.embeddings):
        each /= np.linalg.norm(each, axis=1, keepdims=True)
    cohort, _ = Cohort.of({m: others.embeddings[others.modalities == m] for m in Modality})
    taken = []
    for some in (clips, clips.normalised(cohort)):
        one = compared(some, CAMERA, "range_view", 2)
        scores, like = one.ranked()
        best = np.argsort(-scores[:, 0])[:30]
        taken.append((like[best, 0] < 10).mean())
    assert taken[1] < taken[0]


def test_clips_keep_what_is_taken_off() -> None:
    clips = labelled(3).normalised(cohort_of(dimension=16))
    some = clips.only(clips.subjects == "0001")
    assert some.shares is not None
    assert clips.shares is not None
    assert np.array_equal(some.shares, clips.shares[clips.subjects == "0001"])
    both = some.and_also(clips)
    assert both.shares is not None
    assert len(both.shares) == len(both.subjects) == len(some.subjects) + len(clips.subjects)
    assert clips.normalised(None).shares is None


def test_a_cohort_survives_its_file_and_nothing_else_is_one(tmp_path: Path) -> None:
    cohort, file = Cohort.of({m: random_embeddings(17) for m in Modality})
    again = Cohort.parse(file)
    assert again.sha256 == cohort.sha256
    assert all(np.array_equal(again.people[m], cohort.people[m]) for m in Modality)
    assert np.linalg.norm(again.people[CAMERA], axis=1) == pytest.approx(1)
    assert again.weight == cohort.weight == WEIGHT
    for wrong in (b"x", file[:100], file[:-30]):
        with pytest.raises(BundleError):
            Cohort.parse(wrong)
    with pytest.raises(BundleError, match=r"shape \(2, 9, 256\)"):
        Cohort.of({m: random_embeddings(NEAREST - 1) for m in Modality})
    for weight in (-0.1, 1.5, np.nan):
        with pytest.raises(BundleError, match="weight"):
            Cohort.parse(saved(weight=np.float64(weight)))
    with pytest.raises(BundleError, match="weight"):
        Cohort.parse(saved())
    bundle = bundle_with_cohort(tmp_path / "bundle")
    assert bundle_cohort(TINY) is None
    (bundle / "cohort.npz").write_bytes(file)
    with pytest.raises(BundleTamperedError):
        bundle_cohort(bundle)


def test_a_cohort_without_a_weight_has_the_one_of_its_day() -> None:
    """Thresholds of bundles made before hold for similarities as they were then."""
    cohort, file = Cohort.of({m: random_embeddings(17) for m in Modality})
    people = np.load(io.BytesIO(file))["people"]
    earlier = io.BytesIO()
    np.save(earlier, people)
    old = Cohort.parse(earlier.getvalue())
    assert old.weight == 0.3
    (probe,) = random_embeddings(1, seed=4)
    assert old.share(CAMERA, probe, LIDAR) == pytest.approx(
        cohort.share(CAMERA, probe, LIDAR) * 0.3 / WEIGHT
    )
    assert old.id != cohort.id  # so what templates bring of the one is not taken for the other


def saved(**more: np.float64) -> bytes:
    """A file of a cohort's people, and more."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=True, people=np.ones((2, 20, 8), np.float16), **more)
    return file.getvalue()


def test_a_calibration_of_another_cohort_is_refused(tmp_path: Path) -> None:
    bundle = bundle_with_cohort(tmp_path / "bundle")
    with create_gallery(tmp_path / "gallery", bundle) as gallery:
        clips = labelled(40, dimension=DIMENSION, clips=1)
        facts = {"contract": gallery.contract, "simulated": True, "data": "made up"}
        plain = calibrate(clips, **facts)  # type: ignore[arg-type]
        with pytest.raises(CalibrationError, match="another cohort"):
            gallery.set_calibration(plain)
        normalised = calibrate(clips, cohort=gallery.cohort, **facts)  # type: ignore[arg-type]
        gallery.set_calibration(normalised)
        assert gallery.calibration == (normalised, "gallery")
        before, after = (
            c.pair(CAMERA, "silhouette", 1).threshold(0.1, 10) for c in (plain, normalised)
        )
        assert before.similarity != after.similarity
    assert bundle_calibration(bundle) is None
