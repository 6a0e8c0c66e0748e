"""A checkpoint on a pack's test people, as numbers, curves and pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from gait.errors import PackError
from gait.metrics import Distance
from train.checkpoint import Checkpoint, build_network, known_people, load_checkpoint
from train.data.dataset_layout import DatasetLayout, Embedded, GalleryRule, Scoring
from train.data.identity import frames_hash
from train.data.pack import Pack, Record
from train.dataset_layouts import layout_named
from train.embed import Embeddings, by_modality, embed_modalities
from train.loop.learner import Machine
from train.loop.training_run import BEST
from train.protocols.result import ProtocolResult
from train.report.page import write_report
from train.report.plots import CMC_RANKS, draw_cmc
from train.storage import write_atomically


class Tested(NamedTuple):
    """What a checkpoint makes of a pack's test people.

    Args:
        checkpoint: which network.
        pack: where the walks are.
        records: the test walks.
        embeddings: theirs, by modality.
    """

    checkpoint: Checkpoint
    pack: Pack
    records: list[Record]
    embeddings: Embedded


def evaluate_run(folder: Path, pack: Pack, machine: Machine) -> ProtocolResult:
    """Evaluates a run's best checkpoint on the pack's test people.

    Writes `results.json`, `cmc.png` and `report.html` into the folder.

    Raises:
        CheckpointError: the folder has no readable `best.pt`.
        PackError: the pack has no test people.
        EvaluationError: the test people lack gallery or probes.
    """
    tested = embed_test_people(load_checkpoint(folder / BEST), pack, machine)
    how = Scoring(distance=tested.checkpoint.config.distance, simulated=pack.simulated)
    return write_results(folder, tested, how, metrics=folder)


def embed_test_people(checkpoint: Checkpoint, pack: Pack, machine: Machine) -> Tested:
    """Embeds the walks of a pack's test people by a checkpoint's network.

    Raises:
        PackError: the pack has no test people.
    """
    records = [record for record in pack.records if record.split == "test"]
    if not records:
        raise PackError(f"{pack.path} has no test people to evaluate on")
    network = build_network(checkpoint).to(machine.device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    found = embed_modalities(network, pack, records, machine.device, machine.precision)
    return Tested(checkpoint, pack, records, found)


def write_results(
    folder: Path, tested: Tested, how: Scoring, metrics: Path, layout: str | None = None
) -> ProtocolResult:
    """Scores a checkpoint and writes `results.json`, `cmc.png` and `report.html` into a folder.

    Args:
        folder: is made if it does not exist.
        tested: the checkpoint and what it found.
        how: distance, gallery, resamples.
        metrics: the folder of the run, whose `metrics.jsonl` gives the loss curves.
        layout: whose protocol; None: that of the pack's layout.

    Raises:
        EvaluationError: the test people lack gallery or probes.
    """
    protocol = layout_named(layout or tested.pack.layout).by_rule(how.gallery)
    result = scored(tested, how, protocol)
    write_atomically(folder / "results.json", result.to_json(resamples=True).encode())
    ranked = how._replace(ranks=CMC_RANKS, bootstrap=1)
    cmc = draw_cmc(protocol.score(tested.embeddings, tested.records, ranked))
    write_atomically(folder / "cmc.png", cmc)
    write_report(folder, *tested, protocol, result, cmc, metrics)
    return result


def scored(tested: Tested, how: Scoring, protocol: DatasetLayout) -> ProtocolResult:
    """Scores a checkpoint's embeddings; the result says from which frames they are, and what has
    to be known beside the scores.

    Raises:
        EvaluationError: the test people lack gallery or probes.
    """
    result = protocol.score(tested.embeddings, tested.records, how)
    frames = frames_hash(tested.pack.index)
    return result.model_copy(update={"frames_sha256": frames, "notes": tuple(notes(tested))})


def notes(tested: Tested) -> list[str]:
    """What has to be known beside a checkpoint's scores."""
    known, start = known_people_said(tested.checkpoint, tested.pack), tested.checkpoint.start
    begun = None if start is None else f"the training began with {start}"
    return [note for note in (known, begun) if note is not None]


def known_people_said(checkpoint: Checkpoint, pack: Pack) -> str | None:
    """A warning where test people have ids that the checkpoint was trained on."""
    known = len(known_people(checkpoint, pack))
    every = len({record.subject for record in pack.records if record.split == "test"})
    if not known:
        return None
    return (
        f"{known} of the {every} people tested have ids that the checkpoint was trained on. If "
        "they are the same people, as after another split, these are no scores of strangers: test "
        "others"
    )


def score(
    pack: Pack,
    records: Sequence[Record],
    embeddings: Embeddings | Embedded,
    *,
    ranks: tuple[int, ...] = (1, 5, 10),
    bootstrap: int = 1000,
    seed: int = 0,
    distance: Distance = Distance.COSINE,
    gallery: GalleryRule = "list",
) -> ProtocolResult:
    """Scores embeddings of a pack's test walks under the protocol of its layout.

    Args:
        pack: says which protocol, and whether the people are simulated.
        records: the walks.
        embeddings: theirs, in the same order.
        ranks, bootstrap, seed, distance, gallery: as in `Scoring`.
    """
    how = Scoring(ranks, bootstrap, seed, pack.simulated, gallery, distance)
    result = layout_named(pack.layout).score(by_modality(embeddings), records, how)
    return result.model_copy(update={"frames_sha256": frames_hash(pack.index)})
