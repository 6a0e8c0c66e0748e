"""The manifest: what it accepts, and what it finds."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from gait.errors import BundleError, BundleTamperedError
from gait.golden import noise_frames
from gait.manifest import MANIFEST, Manifest, contract_id
from gait.modality import Modality
from gait.range_style import RangeStyle
from gait.variant import Variant
from tests.galleries import TINY, VARIANTS, other_bundle, scattering

pytestmark = pytest.mark.serving


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the tiny bundle that may be damaged."""
    return Path(shutil.copytree(TINY, tmp_path / "bundle"))


def _edit(bundle: Path, **changes: Any) -> None:
    path = bundle / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_saved_manifest_reads_back_equal(bundle: Path) -> None:
    manifest = Manifest.load(bundle)
    manifest.save(bundle)
    assert Manifest.load(bundle) == manifest
    assert manifest.contents(bundle).keys() == manifest.files.keys()


@pytest.mark.parametrize("name", ["silhouette.onnx", "range_view.onnx", "parity.json"])
def test_a_changed_byte_in_any_file_is_found(bundle: Path, name: str) -> None:
    data = bytearray((bundle / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / name).write_bytes(data)
    with pytest.raises(BundleTamperedError, match=name):
        Manifest.load(bundle).contents(bundle)


def test_a_missing_file_is_found(bundle: Path) -> None:
    (bundle / "range_view.onnx").unlink()
    with pytest.raises(BundleTamperedError, match=r"no range_view\.onnx"):
        Manifest.load(bundle).contents(bundle)


def test_a_hash_edited_to_fit_another_file_breaks_the_contract(bundle: Path) -> None:
    files = json.loads((bundle / MANIFEST).read_text())["files"]
    files["silhouette.onnx"]["sha256"] = hashlib.sha256(b"other").hexdigest()
    _edit(bundle, files=files)
    with pytest.raises(BundleTamperedError, match="contract"):
        Manifest.load(bundle)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"schema_version": 1}, "schema_version 1, this release reads 3: export the checkpoint"),
        ({"schema_version": "two"}, "schema_version"),
        ({"surprise": 1}, "surprise"),
        ({"metric": "euclidean"}, "metric"),
        ({"embedding": {"parts": 8, "dim": 16}}, "golden embedding"),
        ({"variants": {}}, "no fp32 variant"),
        ({"variants": {"fp8": {}}}, "variants.fp8"),
    ],
)
def test_what_this_version_does_not_read_is_named(
    bundle: Path, changes: dict[str, Any], says: str
) -> None:
    _edit(bundle, **changes)
    with pytest.raises(BundleError, match=says):
        Manifest.load(bundle)


def test_a_file_name_cannot_lead_out_of_the_bundle(bundle: Path) -> None:
    files = json.loads((bundle / MANIFEST).read_text())["files"]
    _edit(bundle, files=files | {"../secret": files["parity.json"]})
    with pytest.raises(BundleError, match="secret"):
        Manifest.load(bundle)


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not a model bundle"):
        Manifest.load(tmp_path)


def test_the_contract_is_that_of_the_graphs_alone(tmp_path: Path) -> None:
    tiny = Manifest.load(TINY)
    other = Manifest.load(other_bundle(tmp_path / "other"))
    assert other.contract != tiny.contract
    without_report = {n: r for n, r in tiny.files.items() if n != "parity.json"}
    assert contract_id(tiny.models, without_report) == tiny.contract


def test_the_same_graphs_for_other_pictures_are_another_contract(tmp_path: Path) -> None:
    drawn = Manifest.load(scattering(TINY, tmp_path / "drawn"))
    assert drawn.inputs.range_style is RangeStyle.SCATTER
    assert drawn.contract != Manifest.load(TINY).contract
    inputs = json.loads((TINY / MANIFEST).read_text())["inputs"]
    assert "range_style" not in inputs, "earlier releases read bundles of bins"
    _edit(tmp_path / "drawn", inputs=inputs)
    with pytest.raises(BundleTamperedError):
        Manifest.load(tmp_path / "drawn")


@pytest.fixture
def every(tmp_path: Path) -> Path:
    """A copy of the bundle with all variants that may be damaged."""
    return Path(shutil.copytree(VARIANTS, tmp_path / "bundle"))


def _edit_build(bundle: Path, variant: Variant, **changes: Any) -> None:
    variants = json.loads((bundle / MANIFEST).read_text())["variants"]
    variants[variant] |= changes
    _edit(bundle, variants=variants)


def test_the_variants_of_a_network_share_its_contract() -> None:
    assert Manifest.load(VARIANTS).contract == Manifest.load(TINY).contract
    assert set(Manifest.load(VARIANTS).variants) == set(Variant)


def test_the_other_variants_are_smaller_than_fp32() -> None:
    manifest = Manifest.load(VARIANTS)
    sizes = {variant: manifest.size(variant) for variant in manifest.variants}
    assert max(sizes.values()) == sizes[Variant.FP32]


@pytest.mark.parametrize("variant", ["fp16", "int8"])
def test_a_variant_without_proof_is_refused(every: Path, variant: str) -> None:
    _edit_build(every, Variant(variant), accuracy=None)
    with pytest.raises(BundleError, match=f"nothing shows that {variant} may stand in"):
        Manifest.load(every)


def test_a_variant_of_one_modality_is_refused(every: Path) -> None:
    models = json.loads((every / MANIFEST).read_text())["variants"]["int8"]["models"]
    del models["range_view"]
    _edit_build(every, Variant.INT8, models=models)
    with pytest.raises(BundleError, match="no int8 model for"):
        Manifest.load(every)


def test_a_variant_whose_files_are_not_listed_is_refused(every: Path) -> None:
    files = json.loads((every / MANIFEST).read_text())["files"]
    del files["silhouette_int8.onnx"]
    _edit(every, files=files)
    with pytest.raises(BundleError, match=r"silhouette_int8\.onnx has no hash"):
        Manifest.load(every)


def test_noise_frames_never_change() -> None:
    frames = noise_frames(7, 2, 3, Modality.RANGE_VIEW)
    assert frames.shape == (2, 3, 3, 64, 64)
    want = "c88e54102053a03cf8380f80d77a9f2b7f3fbeec3d5d8e6f71edf7712793752f"
    assert hashlib.sha256(frames.tobytes()).hexdigest() == want
