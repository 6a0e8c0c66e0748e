"""The int8 variant: static quantisation, with ranges found in calibration clips.

All that is computed for each frame is quantised: convolutions, additions and ReLUs, so that feature
maps stay 8 bits wide from the stem to where frames are pooled; weights have one scale per output
channel. What comes after is computed once for a clip, costs next to nothing and stays in float32
(results/speed.md).
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from enum import StrEnum
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.calibrate import create_calibrator, save_tensors_data
from onnxruntime.quantization.shape_inference import quant_pre_process

from gait.clip import Frames
from gait.ragged import ragged

_OPS = ["Conv", "Relu", "Add"]
_AT_ONCE = 8
"""Clips whose activations are in memory together; at full size a frame takes 10 MB."""


class Method(StrEnum):
    """How the range of a tensor is found in the values seen."""

    MINMAX = "minmax"
    ENTROPY = "entropy"


_METHODS = {
    Method.MINMAX: (CalibrationMethod.MinMax, {}),
    # With ONNX Runtime's own 128 bins there is only one range to choose from: the whole.
    Method.ENTROPY: (CalibrationMethod.Entropy, {"num_bins": 2048, "symmetric": False}),
}


def quantised(graph: onnx.ModelProto, clips: Sequence[Frames], method: Method) -> onnx.ModelProto:
    """The graph with 8-bit convolutions.

    Args:
        graph: in float32.
        clips: `(s, c, 64, 64)` to find the ranges in.
        method: how.
    """
    known, options = _METHODS[method]
    with TemporaryDirectory() as name, _quiet():
        folder = Path(name)
        plain, ready, ranges, out = (
            folder / file for file in ("plain.onnx", "ready.onnx", "ranges.json", "out.onnx")
        )
        onnx.save(graph, plain)
        quant_pre_process(plain, ready, skip_symbolic_shape=True)
        calibrator = create_calibrator(
            ready, _OPS, str(folder / "all.onnx"), calibrate_method=known, extra_options=options
        )
        for start in range(0, len(clips), _AT_ONCE):
            calibrator.collect_data(_Run(clips[start : start + _AT_ONCE]))
        save_tensors_data(calibrator.compute_data(), ranges)
        quantize_static(
            ready,
            out,
            calibrate_method=known,
            calibration_cache_path=ranges,
            op_types_to_quantize=_OPS,
            nodes_to_exclude=_after_pooling(onnx.load(ready)),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return onnx.load(out)


def _after_pooling(graph: onnx.ModelProto) -> list[str]:
    """Names of the nodes from where each clip's maps are gathered on."""
    nodes = graph.graph.node
    gathered = max(place for place, node in enumerate(nodes) if node.op_type == "Gather")
    return [node.name for node in nodes[gathered:]]


class _Run(CalibrationDataReader):  # type: ignore[misc]
    """One run of several clips: ONNX Runtime stacks what several runs give, and so wants them of
    one shape."""

    def __init__(self, clips: Sequence[Frames]) -> None:
        frames, index = ragged(clips)
        self._runs = iter([{"frames": frames, "index": index}])

    def get_next(self) -> dict[str, object] | None:
        return next(self._runs, None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hides what is printed of every chunk, and advice that was followed; errors still show."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        logger.setLevel(level)
