"""A checkpoint into a model bundle, written whole or not at all."""

import hashlib
import platform
import sys
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np
import onnxruntime

from export.backbone import Backbone, backbone
from export.checks.accuracy import TestWalks
from export.checks.parity import Embeddings, Graph, Report, check_ranking, check_shapes
from export.checks.retrieval import RetrievalSet, drawn, from_pack
from export.decisions import MadeCohort, calibrated, cohort_of
from export.variants.calibration import CalibrationSet, find_calibration, require_drawn
from export.variants.candidates import (
    Advance,
    Candidate,
    Graphs,
    fp16,
    fp32,
    int8,
    measured,
)
from export.variants.graph import trace
from export.variants.quantise import Method
from gait.clip import Frames
from gait.errors import ExportError, StorageError, VariantRefusedError
from gait.manifest import (
    FileRecord,
    Inputs,
    Manifest,
    Origin,
    Shape,
    contract_id,
    is_bundle,
)
from gait.modality import Modality
from gait.range_style import RangeStyle
from gait.variant import Variant
from train.checkpoint import Checkpoint, build_network, load_checkpoint
from train.data.pack import INDEX, Pack
from train.data.walkers import PACK, walkers_folder
from train.embed import Embeddings as TrainedEmbeddings
from train.storage import require_place

PARITY = "parity.json"
CALIBRATION = "calibration.json"
COHORT = "cohort.npz"
MAX_LOSS = 0.3
"""Points of Rank-1 that a variant may lose in any direction, unless told otherwise."""


@dataclass(frozen=True)
class Order:
    """What a bundle is to hold.

    Args:
        variants: beside fp32, which is always there.
        passing: leave out a variant that is refused, and write the others; else write nothing.
        pack: dataset whose test subjects rankings and accuracy are compared on; None for the
            simulated walkers of the run if they are still there.
        people: pack whose test subjects calibrate decisions; None for `pack`.
        cohort: packs whose training subjects normalise similarities; empty for `pack`.
        calibration: pack, tree or folder of clips for int8; None for `pack`.
        max_loss: points of Rank-1 that a variant may lose.
    """

    variants: Collection[Variant] = ()
    passing: bool = False
    pack: Path | None = None
    people: Path | None = None
    cohort: tuple[Path, ...] = ()
    calibration: Path | None = None
    max_loss: float = MAX_LOSS

    @property
    def steps(self) -> int:
        """How often `export_bundle` says what it begins."""
        own = {Variant.FP16: 2, Variant.INT8: 4 * len(Method)}
        return (
            9
            + 2 * (self.people is not None)
            + sum(own.get(variant, 0) for variant in self.variants)
        )


def export_bundle(
    checkpoint: Path,
    out: Path,
    order: Order = Order(),
    *,
    advance: Advance = lambda _: None,
) -> Manifest:
    """Exports a checkpoint, proves parity and accuracy and writes the bundle.

    Args:
        checkpoint: file of `train.run`; one made on a GPU is read on any machine.
        out: folder of the bundle; a bundle that is there is replaced, anything else is refused.
        order: what the bundle is to hold.
        advance: called with a note as each of the `order.steps` is begun; some may be left out.

    Returns:
        The manifest of the written bundle.

    Raises:
        CheckpointError: not a checkpoint, or not one of this version.
        ExportError: the network is of one modality, the graphs are not what they must be, `out`
            is taken, or there are too few clips to calibrate or to measure accuracy with.
        ParityError: the graphs do not compute what the network computes.
        VariantRefusedError: a variant loses too much; nothing was written, or with `passing` the
            bundle was, without it.
        PackError: `pack` is not a whole pack.
        StorageError: the disk is full or the folder cannot be written.
    """
    _check_free(out)
    trained = load_checkpoint(checkpoint)
    network = build_network(trained)
    if len(network.modalities) < len(Modality):
        raise ExportError(
            f"got a network of {network.modalities[0]} alone, a bundle needs both modalities: "
            "train with model.modalities of both"
        )
    pack = _pack(trained, order)
    for path in (pack, order.people, *order.cohort):
        if path is not None:
            require_drawn(path, Pack.open(path).range_style, trained.range_style)
    clips = _calibration(order, pack, trained.range_style)
    compared = drawn() if pack is None else from_pack(pack)
    backbones = {modality: backbone(network, modality) for modality in Modality}
    graphs: Graphs = {}
    for modality in Modality:
        advance(f"tracing {modality}")
        graphs[modality] = trace(backbones[modality], modality)
    report = _parity(backbones, graphs, compared, advance)
    reference = None
    if pack is not None:
        reference = measured(graphs, network, TestWalks.of(pack), advance)
    candidates = [fp32(graphs, backbones, reference, compared)]
    if reference is not None and Variant.FP16 in order.variants:
        candidates.append(fp16(reference, advance))
    if reference is not None and clips is not None:
        candidates.append(int8(reference, clips, advance))
    refused = [each for each in candidates if each.loss > order.max_loss]
    if refused and (not order.passing or refused[0].variant == Variant.FP32):
        raise _refusal(refused, order, "nothing was written")
    known = None if reference is None else (reference.walks, reference.fp32)
    if order.people is not None:
        known = _embedded_people(order.people, graphs, advance)
    cohort = None
    if reference is not None:
        advance("cohort")
        packs = [Pack.open(path) for path in order.cohort] or [reference.walks.pack]
        cohort = cohort_of(packs, graphs, reference.fp32[0][0].size)
    advance("writing")
    kept = [each for each in candidates if each not in refused]
    manifest = _save(out, trained, checkpoint, kept, report, cohort, known)
    if refused:
        raise _refusal(refused, order, f"{out} was written without it")
    return manifest


def _pack(trained: Checkpoint, order: Order) -> Path | None:
    """The pack given, or the run's own walkers.

    Raises:
        ExportError: a variant is wanted and there is nothing to measure it on.
    """
    own = walkers_folder(trained.config.walkers) / PACK
    if order.pack is None and trained.config.data.simulated and (own / INDEX).is_file():
        return own
    if order.pack is None and set(order.variants) - {Variant.FP32}:
        raise ExportError(
            "what a variant loses is measured on people not trained on: give their --pack"
        )
    return order.pack


def _calibration(order: Order, pack: Path | None, style: RangeStyle) -> CalibrationSet | None:
    where = order.calibration or pack
    if Variant.INT8 not in order.variants or where is None:
        return None
    return find_calibration(where, style)


def _refusal(refused: Sequence[Candidate], order: Order, outcome: str) -> VariantRefusedError:
    worst = max(refused, key=lambda each: each.loss)
    accuracy = worst.build.accuracy
    assert accuracy is not None  # without it there is no loss
    directions = ", ".join(
        f"{d.probe} → {d.gallery} {d.trained:.2f} → {d.own:.2f} "
        f"({d.to_fp32:.2f} against fp32, {d.from_fp32:.2f} the other way)"
        for d in accuracy.directions
    )
    names = " and ".join(each.variant for each in refused)
    return VariantRefusedError(
        f"{names} refused: {worst.variant} loses {worst.loss:.2f} points of Rank-1, "
        f"{order.max_loss:g} allowed; {directions}; on {accuracy.walks} walks of "
        f"{accuracy.subjects} {'simulated ' if accuracy.simulated else ''}people; {outcome}",
        variant=worst.variant,
        loss=worst.loss,
        allowed=order.max_loss,
    )


def _parity(
    backbones: dict[Modality, Backbone], graphs: Graphs, walks: RetrievalSet, advance: Advance
) -> Report:
    shapes, wanted, got = [], {}, {}
    for modality, network in backbones.items():
        advance(f"parity {modality}")
        graph = Graph(graphs[modality].SerializeToString())
        shapes += check_shapes(graph, network.embed, modality)
        wanted[modality] = _embedded(walks, modality, network.embed)
        got[modality] = _embedded(walks, modality, graph.embed_one)
    return Report(
        shapes=tuple(shapes),
        data=walks.data,
        simulated=walks.simulated,
        rankings=tuple(check_ranking(wanted, got)),
    )


def _embedded(
    walks: RetrievalSet, modality: Modality, embed: Callable[[Frames], Embeddings]
) -> tuple[Embeddings, Embeddings]:
    pairs = [(embed(probe), embed(enrolled)) for probe, enrolled in walks.clips[modality]]
    probes, enrolled = zip(*pairs, strict=True)
    return np.stack(probes), np.stack(enrolled)


def _embedded_people(
    pack: Path, graphs: Graphs, advance: Advance
) -> tuple[TestWalks, TrainedEmbeddings]:
    """Everybody who is to calibrate decisions, by the fp32 graphs."""
    walks, found = TestWalks.of(pack, most=sys.maxsize), list[Embeddings]()
    for modality, graph in graphs.items():
        advance(f"{len(walks.records)} walks for decisions, {modality}")
        found.append(walks.by_graph(graph.SerializeToString(), modality))
    return walks, TrainedEmbeddings(*found)


def _save(
    out: Path,
    trained: Checkpoint,
    checkpoint: Path,
    kept: Sequence[Candidate],
    report: Report,
    made: MadeCohort | None,
    known: tuple[TestWalks, TrainedEmbeddings] | None,
) -> Manifest:
    files = {PARITY: report.model_dump_json(indent=1).encode()}
    for each in kept:
        files |= each.files
    variants = {each.variant: each.build for each in kept}
    config = trained.config
    parts, dim = config.model.found_shape
    records = {name: FileRecord.of(data) for name, data in files.items()}
    contract = contract_id(variants[Variant.FP32].models, records, range_style=trained.range_style)
    if made is not None:
        files[COHORT] = made[1]
        records[COHORT] = FileRecord.of(made[1])
    cohort = None if made is None else made[0]
    calibration = None if known is None else calibrated(*known, contract, cohort)
    if calibration is not None:
        files[CALIBRATION] = calibration.text.encode()
        records[CALIBRATION] = FileRecord.of(files[CALIBRATION])
    manifest = Manifest(
        contract=contract,
        created=datetime.now(UTC),
        simulated=trained.simulated,
        embedding=Shape(parts=parts, dim=dim),
        inputs=Inputs(range_style=trained.range_style),
        variants=variants,
        calibration=None if calibration is None else CALIBRATION,
        cohort=None if cohort is None else COHORT,
        files=records,
        checkpoint=Origin(
            sha256=hashlib.sha256(checkpoint.read_bytes()).hexdigest(), iteration=trained.iteration
        ),
        training=config.model_dump(mode="json"),
        versions=_versions(),
    )
    try:
        _write(out.resolve(), manifest, files)  # a link goes on pointing where it does
    except OSError as error:
        raise StorageError(f"cannot write {out}: {error}; nothing was changed") from error
    return manifest


def _versions() -> dict[str, str]:
    packages = ("diffcrossgait", "torch", "onnx", "onnxscript", "numpy")
    versions = {package: metadata.version(package) for package in packages}
    return versions | {
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
    }


def _check_free(out: Path) -> None:
    if not out.exists():
        require_place(out)
    elif not is_bundle(out):
        raise ExportError(f"{out} exists and is not a bundle: choose another folder with --out")


def _write(out: Path, manifest: Manifest, files: dict[str, bytes]) -> None:
    """Writes beside `out`, then renames, so that `out` is never half a bundle."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as folder:
        new = Path(folder) / "bundle"
        new.mkdir()
        for name, data in files.items():
            (new / name).write_bytes(data)
        manifest.save(new)
        if out.exists():
            out.rename(Path(folder) / "replaced")
        new.rename(out)
