"""Projects a trained checkpoint: `python -m train.project CHECKPOINT --packs PACK --out FILE`.

`train.run` does it itself, on the people it trained on, where `model.projection` is set. People
whom the network has not seen show better what differs between the walks of one person.
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import tyro

from gait.cli import run
from gait.errors import PackError
from train.checkpoint import build_network, load_checkpoint, require_style, save_checkpoint
from train.config import ModelConfig, TrainConfig
from train.data.pack import Pack
from train.loop.embedding_projection import fit_projection
from train.machine.device import pick_device, pick_precision
from train.machine.distributed import Ranks
from train.model.projection import Projection
from train.storage import require_place


def main(
    checkpoint: tyro.conf.Positional[Path],
    out: Path,
    packs: tuple[Path, ...],
    dimensions: int = 40,
    of: Literal["embedding", "maps"] = "embedding",
    finished: bool = False,
) -> None:
    """Writes the same checkpoint with a projection, or with another one.

    Args:
        checkpoint: of train.run.
        out: the new checkpoint.
        packs: by whose training people it is fitted, two walks or more of each.
        dimensions: numbers of an embedding, fewer than there are people.
        of: what is projected, as `model.projection_of`.
        finished: without the optimiser's state: half as large, and no run goes on from it, but
            another can begin with it (`train.run --start`).
    """
    require_place(out)
    found = load_checkpoint(checkpoint)
    weights = {n: x for n, x in found.model.items() if not n.startswith("projection.")}
    config = _with(found.config, None, of)
    network = build_network(replace(found, config=config, model=weights))
    config = _with(config, dimensions, of)
    network.projection = Projection(config.model)
    device = pick_device(config.run, Ranks())
    network.to(device)
    people = [
        (pack, [record for record in pack.records if record.split == "train"])
        for pack in map(Pack.open, packs)
    ]
    for pack, records in people:
        require_style(found, pack, checkpoint)
        if not records:
            raise PackError(f"{pack.path} has no training people: a partition names them")
    fit_projection(network, people, device, pick_precision(config.run, device))
    weights = {name: tensor.cpu() for name, tensor in network.state_dict().items()}
    projected = replace(found, config=config, model=weights)
    if finished:
        projected = replace(projected, optimiser=None, scaler={}, rng={})
    save_checkpoint(out, projected)
    print(out)


def _with(config: TrainConfig, dimensions: int | None, of: str) -> TrainConfig:
    changed = {"projection": dimensions, "projection_of": of}
    model = ModelConfig.model_validate(config.model.model_dump() | changed)
    return config.model_copy(update={"model": model})


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m train.project", description=__doc__))
