"""A control: recorded people found by a run that was trained on simulated ones.

`python -m bench.recorded runs/benchmark/full-0 --motion cmu_walks.tar.gz`. Recorded walks drive
simulated bodies, seen by the simulated sensors under the run's own conditions and views. They are
few, so intervals are wide; among them alone, chance is one in their number.
"""

from pathlib import Path
from typing import Annotated

import torch
import tyro

from gait.cli import run
from gait.errors import ConfigError
from train.checkpoint import build_network, load_checkpoint
from train.device import pick_device, pick_precision, set_threads
from train.distributed import Ranks
from train.embed import embed_sequences
from train.loop import LAST
from train.report.summary import summary_text
from train.results import score
from train.simulate.config import SimulateConfig
from train.simulate.recorded import find_people
from train.walkers import walkers_pack


def main(
    folders: tyro.conf.Positional[tuple[Path, ...]],
    motion: Path,
    among: int = 0,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Evaluates run folders on recorded people.

    Args:
        folders: of the runs.
        motion: folder or .tar.gz of ASF/AMC or BVH files.
        among: simulated people beside them, whom the runs have not seen.
        as_json: print JSON instead of tables.
    """
    if not folders:
        raise ConfigError("got no run folder, need at least one, such as runs/benchmark/full-0")
    config = load_checkpoint(folders[0] / LAST).config
    walkers = recorded_walkers(config.walkers, motion, among)
    pack = walkers_pack(walkers)
    device = pick_device(config.run, Ranks())
    set_threads(config.run)
    for folder in folders:
        network = build_network(load_checkpoint(folder / LAST)).to(device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        precision = pick_precision(config.run, device)
        embeddings = embed_sequences(network, pack, pack.records, device, precision)
        result = score(pack, list(pack.records), embeddings)
        if as_json:
            print(result.to_json())
        else:
            people = len({record.subject for record in pack.records})
            print(f"{folder}: recorded motion on simulated bodies, chance {100 / people:.1f} %")
            print(summary_text(result))


def recorded_walkers(walkers: SimulateConfig, motion: Path, among: int) -> SimulateConfig:
    """The same conditions, views and distances with recorded people, nobody to train on.

    Raises:
        ConfigError: `among` is negative.
        MotionFileError: as `find_people`.
    """
    if among < 0:
        raise ConfigError(f"got {among} people to be among, need 0 or more")
    changes = {
        "subjects": among,
        "train": 0,
        "motion": str(motion.resolve()),
        "seed": walkers.seed + 1000,
    }
    return find_people(SimulateConfig.model_validate(walkers.model_dump(mode="json") | changes))


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m bench.recorded", description=__doc__))
