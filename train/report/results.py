"""The end of a run: the best checkpoint on the test people, as numbers, curves and pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from gait.errors import PackError
from train.checkpoint import build_network, load_checkpoint
from train.data.pack import Pack, Record
from train.embed import Embeddings, embed_sequences
from train.evaluate import Labels, ProtocolResult, evaluate_freegait, evaluate_sustech1k
from train.loop.learner import Machine
from train.loop.training_run import BEST
from train.report.page import write_report
from train.report.plots import CMC_RANKS, cmc_curves, draw_cmc
from train.storage import write_atomically


def evaluate_run(folder: Path, pack: Pack, machine: Machine) -> ProtocolResult:
    """Evaluates a run's best checkpoint on the pack's test people.

    Writes `results.json`, `cmc.png` and `report.html` into the folder.

    Raises:
        CheckpointError: the folder has no readable `best.pt`.
        PackError: the pack has no test people.
        EvaluationError: the test people lack gallery or probes.
    """
    records = [record for record in pack.records if record.split == "test"]
    if not records:
        raise PackError(f"{pack.path} has no test people to evaluate on")
    checkpoint = load_checkpoint(folder / BEST)
    network = build_network(checkpoint).to(machine.device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    embeddings = embed_sequences(
        network, pack, records, machine.device, machine.precision, title="embedding"
    )
    result = score(pack, records, embeddings)
    write_atomically(folder / "results.json", result.to_json(resamples=True).encode())
    curves = cmc_curves(score(pack, records, embeddings, ranks=CMC_RANKS, bootstrap=1))
    cmc = draw_cmc(curves, pack.simulated)
    write_atomically(folder / "cmc.png", cmc)
    write_report(folder, checkpoint, result, cmc, pack, records, embeddings)
    return result


def score(
    pack: Pack,
    records: list[Record],
    embeddings: Embeddings,
    *,
    ranks: tuple[int, ...] = (1, 5, 10),
    bootstrap: int = 1000,
) -> ProtocolResult:
    """Scores embeddings of a pack's test walks under the protocol of its layout.

    Args:
        pack: says which protocol, and whether the people are simulated.
        records: the walks.
        embeddings: theirs, in the same order.
        ranks: the r of Rank-r.
        bootstrap: resamples of people.
    """
    if pack.layout == "freegait":
        return evaluate_freegait(
            *embeddings,
            np.array([r.subject for r in records]),
            np.array([r.role or "" for r in records]),
            ranks=ranks,
            bootstrap=bootstrap,
            simulated=pack.simulated,
        )
    return evaluate_sustech1k(
        *embeddings, labels_of(records), ranks=ranks, bootstrap=bootstrap, simulated=pack.simulated
    )


def labels_of(records: Sequence[Record]) -> Labels:
    """Who walked how, seen from where, of walks of a pack."""
    subjects, types, views = (
        np.array([getattr(record, name) for record in records])
        for name in ("subject", "type", "view")
    )
    return Labels(subjects, types, views)
