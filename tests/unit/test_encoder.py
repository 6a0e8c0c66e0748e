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
from gait.errors import BundleError, BundleTamperedError, EncoderError
from gait.manifest import FileRecord, Golden, Manifest, contract_id
from gait.modality import Modality
from gallery.encoder import Encoder
from gallery.session import Device, available_threads
from tests.galleries import DIMENSION, TINY, walk

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
    """Clips and padded frames of each run in which silhouettes of these lengths are embedded."""
    runs: list[list[int]] = []
    session = encoder._sessions[Modality.SILHOUETTE]
    run = session.run

    def watched(frames: Frames, lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        runs.append([*frames.shape[:2]])
        return run(frames, lengths)

    monkeypatch.setattr(session, "run", watched)
    encoder.embed([walk(p, n, Modality.SILHOUETTE) for p, n in enumerate(lengths)])
    return runs


def test_a_run_is_never_larger_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder.load(TINY, device=Device.CPU, threads=1, batch_frames=20)
    runs = _runs(encoder, monkeypatch, [3, 7, 3, 25, 7, 7, 3])
    assert runs == [[3, 3], [2, 7], [1, 7], [1, 25]]  # the last is longer than the limit: alone


def test_clips_of_unlike_lengths_do_not_pad_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder.load(TINY, device=Device.CPU, threads=1)
    runs = _runs(encoder, monkeypatch, [10, 30, 11, 31, 2, 12, 36])
    assert runs == [[1, 2], [3, 12], [3, 36]]


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
    monkeypatch.setattr("gallery.session._nvidia_present", lambda: True)
    encoder = Encoder.load(TINY, device=Device.AUTO, threads=1)
    assert encoder.provider == "CPUExecutionProvider"
    assert capfd.readouterr().out == ""  # what ONNX Runtime complains about goes to stderr


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(value: float) -> None:
    encoder = Encoder.load(TINY, device=Device.CPU, threads=1)

    class Broken:
        def run(self, _: Any, inputs: dict[str, Any]) -> list[Any]:
            return [np.full((len(inputs["lengths"]), 16, 16), value, np.float32)]

    encoder._sessions[Modality.SILHOUETTE]._session = Broken()
    with pytest.raises(EncoderError, match="not finite"):
        encoder.embed([walk(0, 2, Modality.SILHOUETTE)])


def _altered(folder: Path, graph: bytes | None = None, golden: Golden | None = None) -> Path:
    """A copy of the tiny bundle with other content and hashes that fit it."""
    shutil.copytree(TINY, folder)
    manifest = Manifest.load(TINY)
    files, models = dict(manifest.files), dict(manifest.models)
    if graph is not None:
        (folder / "silhouette.onnx").write_bytes(graph)
        files["silhouette.onnx"] = FileRecord.of(graph)
    if golden is not None:
        model = models[Modality.SILHOUETTE].model_copy(update={"golden": golden})
        models[Modality.SILHOUETTE] = model
    changes = {"files": files, "models": models, "contract": contract_id(models, files)}
    manifest.model_copy(update=changes).save(folder)
    return folder


def test_a_graph_whose_golden_embedding_differs_is_refused(tmp_path: Path) -> None:
    golden = Manifest.load(TINY).models[Modality.SILHOUETTE].golden
    wrong = Golden.of(golden.seed, golden.lengths, golden.embeddings() + np.float32(2e-3))
    with pytest.raises(BundleTamperedError, match="silhouette network does not give its golden"):
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
