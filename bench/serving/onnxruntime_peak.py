"""The most arithmetic that ONNX Runtime gets out of this machine: large matrix products."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from bench.measuring.clock import quickest
from gait.variant import Variant

_SIDE = 1024


def peak(variant: Variant, threads: int) -> float:
    """Operations a second, two for each multiply-add, of square products of 1024 × 1024.

    Args:
        variant: int8 is uint8 times int8 into int32; the others are in float32, as a CPU computes.
        threads: of the product.
    """
    integer = variant is Variant.INT8
    kinds = (TensorProto.UINT8, TensorProto.INT8) if integer else (TensorProto.FLOAT,) * 2
    types = (np.uint8, np.int8) if integer else (np.float32,) * 2
    sides = [_SIDE, _SIDE]
    second = np.ones(sides, types[1])
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger" if integer else "MatMul", ["a", "b"], ["c"])],
        "peak",
        [helper.make_tensor_value_info("a", kinds[0], sides)],
        [helper.make_tensor_value_info("c", TensorProto.INT32 if integer else kinds[0], sides)],
        [
            onnx.numpy_helper.from_array(second, "b")
        ],  # constant, so packed beforehand as weights are
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, ["CPUExecutionProvider"]
    )
    first = np.ones(sides, types[0])
    return 2 * _SIDE**3 / quickest(lambda: session.run(None, {"a": first}), 1.0)
