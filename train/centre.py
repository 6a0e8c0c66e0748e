"""Where each modality's embeddings lie: taken away, cosines compare people and not sensors.

`train.run` does it at the end of a run; `python -m train.centre CHECKPOINT --out FILE` does it for
a checkpoint trained without (`model.centred` off, or before there were centres).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import tyro

from gait.cli import run
from gait.errors import PackError
from gait.modality import Modality
from train.checkpoint import build_network, load_checkpoint, save_checkpoint
from train.config import RunConfig
from train.data.pack import Pack, Record
from train.device import pick_device, pick_precision
from train.distributed import Ranks
from train.embed import embed_sequences
from train.model.network import GaitNetwork
from train.walkers import walkers_pack

WALKS = 1024
"""Walks a mean is of, at most."""


def centre_embeddings(
    network: GaitNetwork,
    pack: Pack,
    records: Sequence[Record],
    device: torch.device,
    precision: torch.dtype,
) -> None:
    """Makes the mean embedding of training walks the centre of each modality's embeddings.

    The triplets of Eq. 5 compare distances and leave all embeddings, and those of a modality, an
    offset in common. Euclidean distances within a modality do not see it, but cosines do, across
    modalities most of all. Neither labels nor test people are used.

    # Differs from Eq. 3, which has no centre: `model.centred` switches it off.

    Args:
        network: on `device`; its centres are replaced.
        pack: where the frames are.
        records: training walks; of more than `WALKS` as many are taken, evenly spaced.
        device: where to compute.
        precision: dtype of autocast.
    """
    rows = np.linspace(0, len(records) - 1, min(WALKS, len(records))).astype(int)
    some = [records[row] for row in rows]
    centres = [network.branch(modality).centre.zero_() for modality in Modality]
    found = embed_sequences(network, pack, some, device, precision, title="centring")
    for centre, embeddings in zip(centres, found, strict=True):
        centre.copy_(torch.from_numpy(embeddings.mean(axis=0)))


def main(checkpoint: tyro.conf.Positional[Path], out: Path, pack: Path | None = None) -> None:
    """Centres a trained checkpoint. The result is for export and evaluation, not to train on from.

    Args:
        checkpoint: of train.run.
        out: the new checkpoint.
        pack: what it was trained on; not needed where that is the simulated walkers of its preset.
    """
    found = load_checkpoint(checkpoint)
    people = Pack.open(pack) if pack else walkers_pack(found.config.walkers)
    trained = [r for r in people.records if r.split == "train"]
    records = [r for r in trained if r.subject in set(found.classes)]
    if {r.subject for r in records} != set(found.classes):
        raise PackError(f"{people.path} lacks people whom {checkpoint} was trained on")
    device = pick_device(RunConfig(), Ranks())
    network = build_network(found).to(device)
    centre_embeddings(network, people, records, device, pick_precision(RunConfig(), device))
    model = found.config.model.model_copy(update={"centred": True})
    config = found.config.model_copy(update={"model": model})
    weights = {name: tensor.cpu() for name, tensor in network.state_dict().items()}
    save_checkpoint(out, replace(found, config=config, model=weights, optimiser=None))
    print(out)


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m train.centre", description=__doc__))
