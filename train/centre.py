"""Centres a checkpoint that was trained without: `python -m train.centre CHECKPOINT --out FILE`.

`train.run` does it itself unless `model.centred` is off, as in the paper's presets.
"""

import sys
from dataclasses import replace
from pathlib import Path

import tyro

from gait.cli import run
from gait.errors import ConfigError, PackError
from train.checkpoint import build_network, load_checkpoint, require_style, save_checkpoint
from train.config import TrainConfig
from train.loop.embedding_centre import centre_embeddings
from train.loop.training_run import LAST
from train.machine.device import pick_device, pick_precision
from train.machine.distributed import Ranks
from train.run import Command, open_pack
from train.storage import require_place


def main(checkpoint: tyro.conf.Positional[Path], out: Path, pack: Path | None = None) -> None:
    """Writes the same checkpoint with centres, and says with which options training can go on.

    Args:
        checkpoint: of train.run.
        out: the new checkpoint.
        pack: what it was trained on; not needed where that is the simulated walkers of its preset.
    """
    require_place(out)
    found = load_checkpoint(checkpoint)
    if found.config.model.projection is not None:
        raise ConfigError(
            f"{checkpoint} is projected, which was fitted to embeddings as they are: centre first, "
            "then train.project"
        )
    people = open_pack(Command(found.config, pack=pack))
    require_style(found, people, checkpoint)
    records = [r for r in people.records if r.split == "train" and r.subject in found.classes]
    if {r.subject for r in records} != set(found.classes):
        raise PackError(f"{people.path} lacks people whom {checkpoint} was trained on")
    settings = found.config.run
    device = pick_device(settings, Ranks())
    network = build_network(found).to(device)
    centre_embeddings(network, people, records, device, pick_precision(settings, device))
    model = found.config.model.model_copy(update={"centred": True})
    evaluation = found.config.evaluation.model_copy(update={"distance": None})
    config = found.config.model_copy(update={"model": model, "evaluation": evaluation})
    weights = {name: tensor.cpu() for name, tensor in network.state_dict().items()}
    save_checkpoint(out, replace(found, config=config, model=weights))
    print(out)
    print(
        f"as {LAST} of a run, its training goes on with {_options(found.config)}", file=sys.stderr
    )


def _options(before: TrainConfig) -> str:
    """What the command line of a run says once its checkpoint is centred."""
    named = before.evaluation.distance is not None
    return "--model.centred" + " --evaluation.distance None" * named


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m train.centre", description=__doc__))
