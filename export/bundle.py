"""A checkpoint into a model bundle, written whole or not at all."""

import hashlib
import platform
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np
import onnxruntime

from export.backbone import Backbone, backbone
from export.graph import trace
from export.parity import Embeddings, Graph, Report, check_ranking, check_shapes, golden
from export.retrieval import RetrievalSet, drawn, from_pack
from gait.clip import Frames
from gait.errors import ExportError, StorageError
from gait.manifest import (
    MANIFEST,
    FileRecord,
    Manifest,
    Model,
    Origin,
    Shape,
    contract_id,
)
from gait.modality import Modality
from train.checkpoint import Checkpoint, build_network, load_checkpoint
from train.data.pack import INDEX
from train.walkers import PACK, walkers_folder

PARITY = "parity.json"
STEPS = 2 * len(Modality) + 1

Advance = Callable[[str], None]


def export_bundle(
    checkpoint: Path, out: Path, *, pack: Path | None = None, advance: Advance = lambda _: None
) -> Manifest:
    """Exports a checkpoint, proves parity and writes the bundle. On failure nothing is written.

    Args:
        checkpoint: file of `train.run`; one made on a GPU is read on any machine.
        out: folder of the bundle; a bundle that is there is replaced, anything else is refused.
        pack: dataset whose test subjects the ranking is compared on; None for the simulated
            walkers of the run if they are still there, else drawn figures.
        advance: called with a note as each of the `STEPS` is begun.

    Returns:
        The manifest of the written bundle.

    Raises:
        CheckpointError: not a checkpoint, or not one of this version.
        ExportError: the graphs are not what they must be, or `out` is taken.
        ParityError: they do not compute what the network computes.
        PackError: `pack` is not a whole pack.
        StorageError: the disk is full or the folder cannot be written.
    """
    _check_free(out)
    trained = load_checkpoint(checkpoint)
    network = build_network(trained)
    walks = _walks(trained, pack)
    backbones = {modality: backbone(network, modality) for modality in Modality}
    files = {}
    for modality in Modality:
        advance(f"tracing {modality}")
        files[f"{modality}.onnx"] = trace(backbones[modality], modality).SerializeToString()
    report = _parity(backbones, files, walks, advance)
    advance("writing")
    files[PARITY] = report.model_dump_json(indent=1).encode()
    manifest = _manifest(trained, checkpoint, backbones, files)
    try:
        _write(out, manifest, files)
    except OSError as error:
        raise StorageError(f"cannot write {out}: {error}; no bundle was left") from error
    return manifest


def _walks(trained: Checkpoint, pack: Path | None) -> RetrievalSet:
    """What the ranking is compared on: the pack given, the run's own walkers, or drawn figures."""
    own = walkers_folder(trained.config.walkers) / PACK
    if pack is None and trained.config.data.simulated and (own / INDEX).is_file():
        pack = own
    return drawn() if pack is None else from_pack(pack)


def _parity(
    backbones: dict[Modality, Backbone],
    files: dict[str, bytes],
    walks: RetrievalSet,
    advance: Advance,
) -> Report:
    shapes, wanted, got = [], {}, {}
    for modality, network in backbones.items():
        advance(f"parity {modality}")
        graph = Graph(files[f"{modality}.onnx"])
        shapes += check_shapes(graph, network, modality)
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


def _manifest(
    trained: Checkpoint,
    checkpoint: Path,
    backbones: dict[Modality, Backbone],
    files: dict[str, bytes],
) -> Manifest:
    models = {
        modality: Model(
            file=f"{modality}.onnx", channels=modality.channels, golden=golden(network, modality)
        )
        for modality, network in backbones.items()
    }
    records = {name: FileRecord.of(data) for name, data in files.items()}
    config = trained.config
    return Manifest(
        contract=contract_id(models, records),
        created=datetime.now(UTC),
        simulated=trained.simulated,
        embedding=Shape(parts=config.model.parts, dim=config.model.embedding),
        models=models,
        files=records,
        checkpoint=Origin(
            sha256=hashlib.sha256(checkpoint.read_bytes()).hexdigest(), iteration=trained.iteration
        ),
        training=config.model_dump(mode="json"),
        versions=_versions(),
    )


def _versions() -> dict[str, str]:
    packages = ("diffcrossgait", "torch", "onnx", "onnxscript", "numpy")
    versions = {package: metadata.version(package) for package in packages}
    return versions | {
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
    }


def _check_free(out: Path) -> None:
    if out.exists() and not (out / MANIFEST).is_file():
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
