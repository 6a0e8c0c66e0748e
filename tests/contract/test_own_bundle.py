"""The model that comes with the package: whole, small, described, and used where none is named."""

import hashlib
import json

import numpy as np
import pytest

from gait.manifest import Manifest
from gait.modality import Modality
from gait.own_bundle import OWN_BUNDLE, own_bundle
from gait.variant import Variant
from gallery.decision.decision import bundle_calibration
from gallery.network.encoder import Encoder
from tests.galleries import walk

pytestmark = pytest.mark.serving

MOST_BYTES = 20_000_000


def test_it_is_small_and_whole() -> None:
    manifest = Manifest.load(own_bundle())
    assert set(manifest.contents(OWN_BUNDLE)) == set(manifest.files)
    assert sum(path.stat().st_size for path in OWN_BUNDLE.iterdir()) <= MOST_BYTES
    assert Variant.FP32 in manifest.variants
    assert manifest.simulated


@pytest.mark.parametrize("variant", sorted(Manifest.load(OWN_BUNDLE).variants))
def test_every_variant_embeds_both_modalities(variant: Variant) -> None:
    encoder = Encoder.load(OWN_BUNDLE, variant=variant)
    embeddings = encoder.embed([walk(0, 5, modality) for modality in Modality])
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-3)


def test_decisions_are_calibrated_on_simulated_people_and_say_so() -> None:
    calibration = bundle_calibration(OWN_BUNDLE)
    assert calibration is not None
    assert calibration.simulated


def test_its_card_and_its_record_lie_beside_it() -> None:
    manifest = Manifest.load(OWN_BUNDLE)
    card = (OWN_BUNDLE / "README.md").read_text(encoding="utf-8")
    assert manifest.contract in card
    for heading in ("What it saw", "What it was tried on", "What it must not be used for"):
        assert f"## {heading}" in card
    record = json.loads((OWN_BUNDLE / "training.json").read_text())
    assert record["checkpoint_sha256"] == manifest.checkpoint.sha256
    assert record["config"] == manifest.training


def test_the_network_beside_it_is_the_one_that_was_exported() -> None:
    content = (OWN_BUNDLE / "network.pt").read_bytes()
    assert hashlib.sha256(content).hexdigest() == Manifest.load(OWN_BUNDLE).checkpoint.sha256
