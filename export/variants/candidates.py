"""The networks of a bundle in each arithmetic, measured; whether they go in is decided later."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx

from export.backbone import Backbone
from export.checks.accuracy import TestWalks, accuracy, parity
from export.checks.parity import Embed, Graph, check_shapes, golden
from export.checks.retrieval import RetrievalSet
from export.variants.calibration import CalibrationSet
from export.variants.half import half
from export.variants.quantise import Method, quantised
from gait.modality import Modality
from gait.variant import Accuracy, Build, Calibration, Model, Parity, Variant
from train.embed import Embeddings
from train.model.network import GaitNetwork

TOLERANCES = {Variant.FP32: 1e-3, Variant.FP16: 2e-2, Variant.INT8: 1e-2}
"""Of the golden embeddings. Those of fp32 are torch's, the others the variant's own on a CPU."""

Advance = Callable[[str], None]
Graphs = dict[Modality, onnx.ModelProto]


@dataclass(frozen=True, eq=False)
class Candidate:
    """A variant and what was measured of it."""

    variant: Variant
    files: dict[str, bytes]
    build: Build

    @property
    def loss(self) -> float:
        """Points of Rank-1 lost; 0 where there was nothing to measure them on."""
        return self.build.accuracy.loss if self.build.accuracy else 0.0


@dataclass(frozen=True, eq=False)
class Reference:
    """What the variants are measured against.

    Args:
        graphs: in float32.
        walks: of people not trained on.
        trained: embeddings of the walks by the network in torch.
        fp32: by the fp32 graphs.
    """

    graphs: Graphs
    walks: TestWalks
    trained: Embeddings
    fp32: Embeddings


def file_name(variant: Variant, modality: Modality) -> str:
    """Of a graph in the bundle."""
    return f"{modality}.onnx" if variant == Variant.FP32 else f"{modality}_{variant}.onnx"


def measured(graphs: Graphs, network: GaitNetwork, walks: TestWalks, advance: Advance) -> Reference:
    """Embeds the walks by torch and by the fp32 graphs."""
    advance(f"torch, {len(walks.records)} walks")
    trained = walks.by_network(network)
    fp32 = _embedded(walks, _serialised(graphs), Variant.FP32, advance)
    return Reference(graphs, walks, trained, fp32)


def fp32(
    graphs: Graphs,
    backbones: dict[Modality, Backbone],
    reference: Reference | None,
    compared: RetrievalSet,
) -> Candidate:
    """The fp32 variant, whose golden embeddings are torch's.

    Args:
        graphs: traced from `backbones`.
        backbones: the trained network.
        reference: None where there are no walks to measure accuracy on.
        compared: the clips that parity is then measured on.
    """
    if reference is None:
        found = _parity(backbones, _serialised(graphs), compared)
        proof: Accuracy | None = None
    else:
        found = parity(reference.trained, reference.fp32)
        proof = accuracy(reference.walks, reference.trained, reference.fp32, reference.fp32)
    embeds = {modality: network.embed for modality, network in backbones.items()}
    return _candidate(Variant.FP32, _serialised(graphs), embeds, found, proof)


def fp16(reference: Reference, advance: Advance) -> Candidate:
    """The fp16 variant, measured on the CPU, where ONNX Runtime computes it in wider floats."""
    graphs = {modality: half(graph) for modality, graph in reference.graphs.items()}
    return _measured(Variant.FP16, graphs, reference, advance)


def int8(reference: Reference, clips: CalibrationSet, advance: Advance) -> Candidate:
    """The int8 variant by the best of the calibration methods: the one that loses least Rank-1
    beyond what the others lose, and of equals the one whose embeddings are most like torch's."""
    found: dict[Method, Candidate] = {}
    for method in Method:
        graphs = {}
        for modality, graph in reference.graphs.items():
            advance(f"int8 {modality}, {method}")
            graphs[modality] = quantised(graph, clips.clips[modality], method)
        found[method] = _measured(Variant.INT8, graphs, reference, advance)
    tried = {
        str(method): (each.loss, each.build.parity.mean_similarity)
        for method, each in found.items()
    }
    kept = min(found, key=lambda m: (max(0.0, found[m].loss), -tried[m][1]))
    calibration = Calibration(
        data=clips.data,
        clips=clips.count,
        frames=clips.frames,
        sha256=clips.sha256,
        method=kept,
        tried=tried,
    )
    build = found[kept].build.model_copy(update={"calibration": calibration})
    return replace(found[kept], build=build)


def _measured(
    variant: Variant, graphs: Graphs, reference: Reference, advance: Advance
) -> Candidate:
    data = _serialised(graphs)
    own = _embedded(reference.walks, data, variant, advance)
    found = parity(reference.trained, own)
    running = {modality: Graph(model) for modality, model in data.items()}
    for modality, graph in running.items():
        check_shapes(graph, graph.embed_one, modality)
    embeds = {modality: graph.embed_one for modality, graph in running.items()}
    proof = accuracy(reference.walks, reference.trained, reference.fp32, own)
    return _candidate(variant, data, embeds, found, proof)


def _candidate(
    variant: Variant,
    graphs: dict[Modality, bytes],
    embeds: Mapping[Modality, Embed],
    found: Parity,
    proof: Accuracy | None,
) -> Candidate:
    models = {
        modality: Model(
            file=file_name(variant, modality),
            channels=modality.channels,
            golden=golden(embed, modality, TOLERANCES[variant]),
        )
        for modality, embed in embeds.items()
    }
    files = {models[modality].file: data for modality, data in graphs.items()}
    return Candidate(variant, files, Build(models=models, parity=found, accuracy=proof))


def _embedded(
    walks: TestWalks, graphs: dict[Modality, bytes], variant: Variant, advance: Advance
) -> Embeddings:
    found = []
    for modality in Modality:
        advance(f"{variant} {modality}, {len(walks.records)} walks")
        found.append(walks.by_graph(graphs[modality], modality))
    return Embeddings(*found)


def _parity(
    backbones: dict[Modality, Backbone], graphs: dict[Modality, bytes], compared: RetrievalSet
) -> Parity:
    in_torch: dict[Modality, Embed] = {m: network.embed for m, network in backbones.items()}
    in_graphs: dict[Modality, Embed] = {m: Graph(graph).embed_one for m, graph in graphs.items()}
    return parity(*(_embeddings(compared, embeds) for embeds in (in_torch, in_graphs)))


def _embeddings(compared: RetrievalSet, embeds: dict[Modality, Embed]) -> Embeddings:
    found = []
    for modality in Modality:
        clips = [clip for pair in compared.clips[modality] for clip in pair]
        found.append(np.stack([embeds[modality](clip) for clip in clips]))
    return Embeddings(*found)


def _serialised(graphs: Graphs) -> dict[Modality, bytes]:
    return {modality: graph.SerializeToString() for modality, graph in graphs.items()}
