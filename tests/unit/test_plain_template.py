"""What is encrypted of a template is what is read of it, and nearly what was enrolled."""

from pathlib import Path

import numpy as np
import pytest

from gait.modality import Modality
from gallery.opening import create_gallery, open_gallery
from gallery.record.plain_template import PlainTemplate
from gallery.search.cohort import Cohort
from gallery.template import Shares
from tests.galleries import DIMENSION, bundle_with_cohort, enrolment, random_embeddings

pytestmark = pytest.mark.serving


def test_a_template_is_read_as_it_was_packed_and_is_nearly_what_was_given() -> None:
    for vector, probe in zip(random_embeddings(20), random_embeddings(20, seed=1), strict=True):
        template = PlainTemplate.of(vector)
        shared = template.with_shares(Shares("0a" * 16, (0.25, -0.125)))
        for each in (template, shared):
            again = PlainTemplate.unpack(each.packed, DIMENSION)
            assert again is not None
            assert np.array_equal(again.embedding, template.embedding)
            assert again.shares == each.shares
        assert len(template.packed) < 2.1 * DIMENSION
        assert np.linalg.norm(template.embedding) == pytest.approx(np.linalg.norm(vector), abs=3e-7)
        assert abs((template.embedding - vector) @ probe) < 1e-5


def test_any_finite_embedding_is_packed_and_other_lengths_are_not_unpacked() -> None:
    for odd in (np.zeros(DIMENSION), np.eye(1, DIMENSION)[0], np.full(DIMENSION, 1e-30)):
        template = PlainTemplate.of(odd.astype(np.float32))
        assert template.embedding == pytest.approx(odd, abs=1e-6)
    for length in (0, 3, len(template.packed) - 1, len(template.packed) + 1):
        assert PlainTemplate.unpack(bytes(length), DIMENSION) is None


def test_a_search_computes_no_share_of_a_template_that_brings_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, computed = bundle_with_cohort(tmp_path / "bundle"), list[bytes]()
    other, (probe, *vectors) = (
        bundle_with_cohort(tmp_path / "other", people=60),
        random_embeddings(9),
    )
    plain_share = Cohort.share

    def share(self: Cohort, modality: Modality, embedding: np.ndarray, seen_by: Modality) -> float:
        computed.append(embedding.tobytes())
        return plain_share(self, modality, embedding, seen_by)

    with create_gallery(tmp_path / "gallery", bundle) as gallery:
        gallery.enrol([enrolment(f"p{i}", vector) for i, vector in enumerate(vectors)])
        monkeypatch.setattr(Cohort, "share", share)
        one = gallery.search(probe, Modality.RANGE_VIEW, top_k=8).candidates
        assert set(computed) == {probe.tobytes()}
    with open_gallery(tmp_path / "gallery", bundle=other) as gallery:
        two = gallery.search(probe, Modality.RANGE_VIEW, top_k=8).candidates
        assert len(set(computed)) == 9  # of another cohort: computed for every template
    assert [c.similarity for c in one] != [c.similarity for c in two]
