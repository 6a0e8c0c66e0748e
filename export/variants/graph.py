"""One ONNX graph from the shipping path, and what must be true of it."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import onnx
import torch

from export.backbone import Backbone
from gait.errors import ExportError
from gait.modality import SIZE, Modality

OPSET = 18
# Two clips of three and two frames for tracing. Of its sizes (5, 2, 3) all are at least 2
# and differ: a 1 would be frozen into the graph, and equal sizes taken for one and the same axis.
_INDEX = [[0, 1, 2], [3, 4, 4]]


def trace(backbone: Backbone, modality: Modality) -> onnx.ModelProto:
    """The graph of a backbone, batch norms folded into convolutions, every length dynamic.

    Raises:
        ExportError: an axis was frozen, a batch norm is left, or there are more weights than the
            backbone has.
    """
    example = (
        torch.zeros(5, modality.channels, SIZE, SIZE, dtype=torch.uint8),
        torch.tensor(_INDEX),
    )
    frames, clips, longest = (torch.export.Dim(name) for name in ("f", "n", "s"))
    with _without_known_noise():
        program = torch.onnx.export(
            backbone,
            example,
            input_names=["frames", "index"],
            output_names=["embedding"],
            dynamic_shapes={"frames": {0: frames}, "index": {0: clips, 1: longest}},
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise ExportError("torch.onnx gave no program: a supported version is torch 2.11 or later")
    graph = program.model_proto
    _strip_notes(graph)
    check(graph, backbone, modality)
    return graph


def check(graph: onnx.ModelProto, backbone: Backbone, modality: Modality) -> None:
    """Checks the declared axes, and that nothing but the backbone's weights is inside.

    Raises:
        ExportError: see `trace`.
    """
    axes = {value.name: _axes(value) for value in [*graph.graph.input, *graph.graph.output]}
    want = {"frames": ["f", modality.channels, SIZE, SIZE], "index": ["n", "s"]}
    got = {name: axes[name] for name in want}
    if got != want or axes["embedding"][0] != "n" or set(axes) != {*want, "embedding"}:
        raise ExportError(f"the {modality} graph has axes {axes}, need {want} and a batch of n")
    if any(node.op_type == "BatchNormalization" for node in graph.graph.node):
        raise ExportError(f"the {modality} graph has a batch norm that was not folded")
    projection = backbone.encoder.projection
    fitted = [] if projection is None else projection.buffers()
    shipped = [*backbone.parameters(), backbone.encoder.branch.centre, *fitted]
    weights = sum(tensor.numel() for tensor in shipped)
    if (held := _weights(graph)) > weights:
        raise ExportError(
            f"the {modality} graph holds {held} weights, the shipping path has {weights}"
        )


def _axes(value: onnx.ValueInfoProto) -> list[str | int]:
    return [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]


def _weights(graph: onnx.ModelProto) -> int:
    floats = [t for t in graph.graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
    return sum(int(torch.Size(tensor.dims).numel()) for tensor in floats if tensor.dims)


def _strip_notes(graph: onnx.ModelProto) -> None:
    """Removes the exporter's notes: source lines and paths of the machine that exported."""
    del graph.metadata_props[:]
    del graph.graph.metadata_props[:]
    del graph.graph.value_info[:]
    graph.doc_string = graph.graph.doc_string = ""
    for noted in [*graph.graph.node, *graph.graph.input, *graph.graph.output]:
        del noted.metadata_props[:]
        noted.doc_string = ""
    for tensor in graph.graph.initializer:
        del tensor.metadata_props[:]


@contextmanager
def _without_known_noise() -> Iterator[None]:
    """Hides what the exporter says on every run and nobody can act on; errors still show."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)  # torchvision is not installed
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`isinstance\\(treespec, LeafSpec\\)`", FutureWarning)
            warnings.filterwarnings("ignore", "# The axis name: n will not be used", UserWarning)
            yield
    finally:
        logger.setLevel(level)
