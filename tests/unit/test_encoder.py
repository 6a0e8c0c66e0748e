"""The encoder on the tiny bundle."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gait.clip import Clip, Frames
from gait.errors import BundleError, BundleTamperedError, ConfigError, EncoderError
from gait.golden import Golden
from gait.manifest import FileRecord, Manifest, contract_id
from gait.modality import Modality
from gait.ragged import Index, ragged
from gait.variant import Variant
from gallery.network.encoder import Encoder
from gallery.network.session import CUDA, Device, available_threads
from tests.galleries import DIMENSION, TINY, VARIANTS, walk

pytestmark = pytest.mark.serving


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    """The tiny bundle on one thread."""
    return Encoder.load(TINY, device=Device.CPU, threads=1)


LENGTHS = st.lists(
    st.tuples(st.integers(1, 12), st.sampled_from(list(Modality))), min_size=1, max_size=7
)


@settings(deadline=None, max_examples=25)
@given(sizes=LENGTHS, limit=st.integers(1, 40))
def test_clips_of_any_lengths_embed_as_each_alone(
    sizes: list[tuple[int, Modality]], limit: int
) -> None:
    encoder = Encoder.load(TINY, device=Device.CPU, threads=1, batch_frames=limit)
    clips = [walk(person, length, m) for person, (length, m) in enumerate(sizes)]
    together = encoder.embed(clips)
    alone = np.concatenate([encoder.embed([clip]) for clip in clips])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_an_inner_product_is_the_mean_cosine_of_the_parts(encoder: Encoder) -> None:
    embeddings = encoder.embed([walk(p, 3, Modality.SILHOUETTE) for p in range(3)])
    assert embeddings.shape == (3, DIMENSION)
    assert embeddings.dtype == np.float32
    parts = embeddings.reshape(3, 16, 16).astype(np.float64)
    parts /= np.linalg.norm(parts, axis=2, keepdims=True)
    mean_cosine = np.einsum("qpd,gpd->qg", parts, parts) / 16
    np.testing.assert_allclose(embeddings @ embeddings.T, mean_cosine, atol=1e-6)


def test_frames_may_come_in_any_order(encoder: Encoder) -> None:
    clip = walk(0, 6, Modality.RANGE_VIEW)
    turned = Clip(clip.frames[::-1].copy(), clip.modality)
    np.testing.assert_allclose(encoder.embed([clip]), encoder.embed([turned]), atol=1e-6)


def test_no_clips_give_no_embeddings(encoder: Encoder) -> None:
    assert encoder.embed([]).shape == (0, DIMENSION)


def _runs(encoder: Encoder, monkeypatch: pytest.MonkeyPatch, lengths: list[int]) -> list[list[int]]:
    """Clips and frames of each run in which silhouettes of these lengths are embedded."""
    runs: list[list[int]] = []
    session = encoder._sessions[Modality.SILHOUETTE]
    run = session.run

    def watched(frames: Frames, index: Index) -> NDArray[np.float32]:
        runs.append([len(index), len(frames)])
        return run(frames, index)

    monkeypatch.setattr(session, "run", watched)
    encoder.embed([walk(p, n, Modality.SILHOUETTE) for p, n in enumerate(lengths)])
    return runs


def test_a_run_is_never_larger_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder.load(TINY, device=Device.CPU, threads=1, batch_frames=20)
    runs = _runs(encoder, monkeypatch, [3, 7, 3, 25, 7, 7, 3])
    assert runs == [[4, 16], [2, 14], [1, 25]]  # the last is longer than the limit: alone


def test_clips_of_unlike_lengths_run_together_without_padding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoder = Encoder.load(TINY, device=Device.CPU, threads=1)
    assert _runs(encoder, monkeypatch, [10, 30, 11, 12, 29]) == [[5, 92]]


def test_a_long_clip_does_not_make_short_ones_repeat_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoder = Encoder.load(TINY, device=Device.CPU, threads=1)
    assert _runs(encoder, monkeypatch, [1, 1, 1, 1, 28]) == [[4, 4], [1, 28]]


def test_a_clip_is_embedded_by_frames_spread_evenly_over_it() -> None:
    encoder = Encoder.load(TINY, device=Device.CPU, threads=1, frames=4)
    clip = walk(0, 10, Modality.RANGE_VIEW)
    few = Clip(clip.frames[[1, 3, 6, 8]], clip.modality)
    np.testing.assert_array_equal(encoder.embed([clip]), encoder.embed([few]))
    assert np.abs(encoder.embed([clip]) - Encoder.load(TINY).embed([clip])).max() > 1e-4


def test_no_frames_at_all_cannot_be_looked_at() -> None:
    with pytest.raises(ConfigError, match="got 0 frames"):
        Encoder.load(TINY, frames=0)


def test_a_frame_that_comes_again_changes_nothing_and_costs_nothing(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = walk(0, 3, Modality.SILHOUETTE)
    again = Clip(clip.frames[[0, 1, 1, 2, 2, 0]], clip.modality)
    np.testing.assert_allclose(encoder.embed([again]), encoder.embed([clip]), atol=1e-6)
    frames, index = ragged([again.frames, clip.frames])
    assert len(frames) == 3
    assert index.tolist() == [[0, 1, 1, 2, 2, 0], [0, 1, 2, -1, -1, -1]]


def test_threads_and_provider_are_what_is_used(encoder: Encoder) -> None:
    assert encoder.provider == "CPUExecutionProvider"
    assert encoder.threads == 1
    options = encoder._sessions[Modality.SILHOUETTE]._session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
    assert Encoder.load(TINY, device=Device.CPU).threads == available_threads()
    assert 1 <= available_threads() <= (os.cpu_count() or 1)


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="this machine has a GPU")
def test_cuda_asked_for_and_not_there_is_fatal(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EncoderError, match="CUDA was asked for"):
        Encoder.load(TINY, device=Device.CUDA)


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="this machine has a GPU")
def test_a_gpu_that_cannot_be_used_falls_back_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gallery.network.session._nvidia_present", lambda: True)
    encoder = Encoder.load(TINY, device=Device.AUTO, threads=1)
    assert encoder.provider == "CPUExecutionProvider"
    assert capfd.readouterr().out == ""  # what ONNX Runtime complains about goes to stderr


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(value: float) -> None:
    encoder = Encoder.load(TINY, device=Device.CPU, threads=1)

    class Broken:
        def run(self, _: Any, inputs: dict[str, Any]) -> list[Any]:
            return [np.full((len(inputs["index"]), 16, 16), value, np.float32)]

    encoder._sessions[Modality.SILHOUETTE]._session = Broken()
    with pytest.raises(EncoderError, match="not finite"):
        encoder.embed([walk(0, 2, Modality.SILHOUETTE)])


def _altered(folder: Path, graph: bytes | None = None, golden: Golden | None = None) -> Path:
    """A copy of the tiny bundle with other content and hashes that fit it."""
    shutil.copytree(TINY, folder)
    manifest = Manifest.load(TINY)
    files, build = dict(manifest.files), manifest.variants[Variant.FP32]
    models = dict(build.models)
    if graph is not None:
        (folder / "silhouette.onnx").write_bytes(graph)
        files["silhouette.onnx"] = FileRecord.of(graph)
    if golden is not None:
        model = models[Modality.SILHOUETTE].model_copy(update={"golden": golden})
        models[Modality.SILHOUETTE] = model
    variants = {Variant.FP32: build.model_copy(update={"models": models})}
    changes = {"files": files, "variants": variants, "contract": contract_id(models, files)}
    manifest.model_copy(update=changes).save(folder)
    return folder


def test_a_graph_whose_golden_embedding_differs_is_refused(tmp_path: Path) -> None:
    golden = Manifest.load(TINY).models[Modality.SILHOUETTE].golden
    wrong = Golden.of(golden.seed, golden.lengths, golden.embeddings() + np.float32(2e-3), 1e-3)
    with pytest.raises(BundleTamperedError, match="fp32 silhouette network does not give"):
        Encoder.load(_altered(tmp_path / "wrong", golden=wrong), device=Device.CPU)


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="does not take the graph"):
        Encoder.load(_altered(tmp_path / "wrong", graph=b"not a graph"), device=Device.CPU)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(TINY, tmp_path / "changed"))
    data = bytearray((bundle / "range_view.onnx").read_bytes())
    data[-100] ^= 1
    (bundle / "range_view.onnx").write_bytes(data)
    with pytest.raises(BundleTamperedError, match="range_view"):
        Encoder.load(bundle, device=Device.CPU)


def test_two_bundles_of_other_graphs_are_told_apart(tmp_path: Path, encoder: Encoder) -> None:
    swapped = tmp_path / "swapped"
    shutil.copytree(TINY, swapped)
    data = (TINY / "silhouette.onnx").read_bytes()
    (swapped / "range_view.onnx").write_bytes(data)
    with pytest.raises(BundleTamperedError):
        Encoder.load(swapped, device=Device.CPU)


VNNI = "flags\t\t: fpu sse2 avx512f avx512_vnni\n"


@pytest.fixture
def cpuinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the encoder takes for /proc/cpuinfo: a CPU without instructions for int8."""
    path = tmp_path / "cpuinfo"
    path.write_text("flags\t\t: fpu sse2 avx2\n")
    monkeypatch.setattr("gallery.network.variant_choice._CPUINFO", path)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    return path


def test_int8_runs_where_the_cpu_has_the_instructions(cpuinfo: Path) -> None:
    assert Encoder.load(VARIANTS, device=Device.CPU).choice.variant is Variant.FP32
    cpuinfo.write_text(VNNI)
    choice = Encoder.load(VARIANTS, device=Device.CPU).choice
    assert (choice.variant, choice.reason) == (Variant.INT8, "this CPU has AVX-512 VNNI")


def test_a_bundle_without_int8_says_what_it_lacks(cpuinfo: Path) -> None:
    cpuinfo.write_text(VNNI)
    choice = Encoder.load(TINY, device=Device.CPU).choice
    assert choice.variant is Variant.FP32
    assert "no int8, though this CPU has AVX-512 VNNI" in choice.reason


@pytest.mark.parametrize("variant", Variant)
def test_a_variant_can_be_asked_for(cpuinfo: Path, variant: Variant) -> None:
    encoder = Encoder.load(VARIANTS, device=Device.CPU, variant=variant, threads=1)
    assert encoder.choice.variant is variant
    clips = [walk(p, 5, modality) for p in range(3) for modality in Modality]
    own = encoder.embed(clips)
    fp32 = Encoder.load(VARIANTS, device=Device.CPU, variant=Variant.FP32, threads=1).embed(clips)
    assert (own * fp32).sum(axis=1).min() > 0.98
    if variant is not Variant.FP32:
        assert np.abs(own - fp32).max() > 1e-6  # it is another network indeed


def test_a_variant_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="holds no int8 but fp32: make it with"):
        Encoder.load(TINY, variant=Variant.INT8)


def test_a_gpu_that_cannot_be_used_falls_back_to_the_best_of_the_cpu(
    cpuinfo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpuinfo.write_text(VNNI)
    monkeypatch.setattr("gallery.network.encoder.expected_provider", lambda _: CUDA)
    encoder = Encoder.load(VARIANTS, device=Device.AUTO, threads=1)
    assert (encoder.choice.variant, encoder.provider) == (Variant.INT8, "CPUExecutionProvider")


@pytest.mark.parametrize("name", ["silhouette_int8.onnx", "range_view_fp16.onnx"])
@pytest.mark.parametrize("damage", ["byte", "cut", "missing", "swapped"])
def test_a_damaged_variant_is_refused_even_where_another_runs(
    tmp_path: Path, name: str, damage: str
) -> None:
    bundle = Path(shutil.copytree(VARIANTS, tmp_path / "bundle"))
    data = bytearray((bundle / name).read_bytes())
    if damage == "missing":
        (bundle / name).unlink()
    elif damage == "cut":
        (bundle / name).write_bytes(data[:-1])
    elif damage == "swapped":
        shutil.copy(bundle / "silhouette.onnx", bundle / name)
    else:
        data[len(data) // 2] ^= 1
        (bundle / name).write_bytes(data)
    with pytest.raises(BundleTamperedError, match=name.replace(".", r"\.")):
        Encoder.load(bundle, device=Device.CPU, variant=Variant.FP32)


def test_each_variant_answers_to_its_own_golden_embedding(tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(VARIANTS, tmp_path / "bundle"))
    manifest = Manifest.load(bundle)
    build = manifest.variants[Variant.INT8]
    golden = build.models[Modality.SILHOUETTE].golden
    wrong = Golden.of(0, golden.lengths, golden.embeddings(), golden.tolerance)  # of other clips
    model = build.models[Modality.SILHOUETTE].model_copy(update={"golden": wrong})
    models = {**build.models, Modality.SILHOUETTE: model}
    variants = {**manifest.variants, Variant.INT8: build.model_copy(update={"models": models})}
    manifest.model_copy(update={"variants": variants}).save(bundle)
    Encoder.load(bundle, device=Device.CPU, variant=Variant.FP32)
    with pytest.raises(BundleTamperedError, match="int8 silhouette network does not give"):
        Encoder.load(bundle, device=Device.CPU, variant=Variant.INT8)
