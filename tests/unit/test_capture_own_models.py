"""Detectors and masks that users bring as ONNX files."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from capture.camera.own_models import OwnDetector, OwnMasks
from capture.camera.people import networks
from gait.errors import WeightsError

PICTURE = np.full((100, 200, 3), 40, np.uint8)
PICTURE[20:80, 90:110] = 255


def save(path: Path, nodes: list[onnx.NodeProto], size: list[str | int], *outputs: str) -> Path:
    """A model of one input `x`."""
    graph = helper.make_graph(
        nodes,
        "own",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, *size])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def detector(path: Path, size: list[str | int], name: str = "boxes") -> Path:
    """One that always finds one person."""
    values = {name: np.array([[90, 20, 110, 80]]), "scores": np.array([0.9])}
    nodes = [
        helper.make_node(
            "Constant", [], [key], value=onnx.numpy_helper.from_array(value.astype(np.float32))
        )
        for key, value in values.items()
    ]
    return save(path, nodes, size, *values)


def masks(path: Path, side: int = 256) -> Path:
    """The brightness is the mask."""
    node = helper.make_node("ReduceMean", ["x"], ["mask"], axes=[1], keepdims=1)
    return save(path, [node], [side, side], "mask")


def test_boxes_come_back_to_the_size_of_the_picture(tmp_path: Path) -> None:
    fixed = OwnDetector(detector(tmp_path / "fixed.onnx", [100, 100]))
    boxes, scores = fixed.find(PICTURE)
    assert np.allclose(boxes, [[180, 20, 220, 80]])
    assert scores.tolist() == pytest.approx([0.9])
    boxes, _ = OwnDetector(detector(tmp_path / "any.onnx", ["h", "w"])).find(PICTURE)
    assert np.allclose(boxes[:, [0, 2]], np.array([[90, 110]]) * 200 / 640)


def test_a_mask_lies_where_the_person_is(tmp_path: Path) -> None:
    body = OwnMasks(masks(tmp_path / "masks.onnx")).look(PICTURE, np.array([90.0, 20, 110, 80]))
    assert body.tight is not None
    assert np.allclose(body.tight, [90, 20, 110, 80], atol=1)
    assert body.presence == 1.0
    assert not body.at_edge


def test_both_may_be_brought_without_any_weights(tmp_path: Path) -> None:
    found = detector(tmp_path / "d.onnx", [64, 64]), masks(tmp_path / "m.onnx")
    finds, shows = networks(tmp_path / "none", *found)
    assert isinstance(finds, OwnDetector)
    assert isinstance(shows, OwnMasks)
    with pytest.raises(WeightsError, match="python -m capture"):
        networks(tmp_path / "none", found[0])


def test_other_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no file"):
        OwnDetector(tmp_path / "none.onnx")
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    with pytest.raises(WeightsError, match="no ONNX model"):
        OwnDetector(tmp_path / "junk.onnx")
    with pytest.raises(WeightsError, match="need boxes and scores"):
        OwnDetector(detector(tmp_path / "other.onnx", [64, 64], name="rectangles"))
    with pytest.raises(WeightsError, match="256"):
        OwnMasks(masks(tmp_path / "small.onnx", side=128))
