"""The fp16 variant: half-precision weights and arithmetic, the same inputs and output."""

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16


def half(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The graph in float16. What goes in and comes out keeps its type: uint8, int64, float32."""
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    converted: onnx.ModelProto = convert_float_to_float16(copy, keep_io_types=True)
    # What two nodes read that stay in float32 is cast twice, to the same name: no valid graph.
    nodes = {tuple(node.output): node for node in converted.graph.node}
    del converted.graph.node[:]
    converted.graph.node.extend(nodes.values())
    return converted
