"""A control: recorded people found by runs that were trained on simulated ones.

`python -m bench.recorded runs/benchmark/full-0 --motion cmu_walks.tar.gz`. Recorded walks drive
simulated bodies, seen by the simulated sensors under the run's own conditions and views. They are
few, so intervals are wide; among them alone, chance is one in their number. With `--against` runs
are compared pair by pair, which takes out how hard each person is to find.
"""

from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray

from bench.ablation.bootstrap import estimate
from bench.ablation.table import OVERALL
from bench.runs import common_config
from gait.cli import run
from gait.errors import ConfigError
from gait.metrics import Distance
from gait.modality import Modality
from train.checkpoint import load_network
from train.data.pack import Pack
from train.device import pick_device, pick_precision, set_threads
from train.distributed import Ranks
from train.embed import Embeddings, embed_sequences
from train.loop import LAST
from train.protocols.outcomes import Lookup
from train.protocols.people import scores_alone
from train.protocols.sustech1k import compare_sustech1k
from train.report.summary import DIRECTIONS, direction, summary_text
from train.results import labels_of, score
from train.simulate.config import SimulateConfig
from train.simulate.recorded import find_people
from train.walkers import walkers_pack


def main(
    folders: tyro.conf.Positional[tuple[Path, ...]],
    motion: Path,
    against: tuple[Path, ...] = (),
) -> None:
    """Evaluates run folders on recorded people.

    Args:
        folders: of the runs, of one benchmark.
        motion: folder or .tar.gz of ASF/AMC or BVH files.
        against: run folders to compare the others with, one for each, such as those of the base
            with the same seeds.
    """
    if against and len(against) != len(folders):
        raise ConfigError(f"got {len(against)} runs against {len(folders)}, need one for each")
    config = common_config((*folders, *against))
    pack = walkers_pack(recorded_walkers(config.walkers, motion))
    set_threads(config.run)
    device = pick_device(config.run, Ranks())
    precision = pick_precision(config.run, device)
    people = len({record.subject for record in pack.records})
    seen = []
    for folder in (*folders, *against):
        network = load_network(folder / LAST, device)
        seen.append(embed_sequences(network, pack, pack.records, device, precision))
        print(f"{folder}: recorded motion on simulated bodies, chance {100 / people:.1f} %")
        print(summary_text(score(pack, list(pack.records), seen[-1])))
    if against:
        print(gains_text(pack, seen[: len(folders)], seen[len(folders) :]))


def gains_text(pack: Pack, after: list[Embeddings], before: list[Embeddings]) -> str:
    """Rank-1 of `after − before` in points over all conditions, paired, direction by direction."""
    runs = [[_alone(pack, embeddings) for embeddings in some] for some in (after, before)]
    lines = [f"gained, points [95 % interval over people and {len(after)} runs], all conditions:"]
    for pair in DIRECTIONS:
        ours, theirs = (np.array([run[pair] for run in some]) for some in runs)
        found = estimate(ours - theirs)
        lines.append(
            f"{direction(*pair)}  {found.value:+.1f} [{found.low:+.1f}, {found.high:+.1f}]"
        )
    return "\n".join(lines)


def _alone(
    pack: Pack, embeddings: Embeddings
) -> dict[tuple[Modality, Modality], NDArray[np.float64]]:
    """`(people,)` Rank-1 of each person alone by probe and gallery modality, percent."""
    found = compare_sustech1k(*embeddings, labels_of(pack.records), (1,))
    return {
        pair: scores_alone(found, Lookup(*pair, Distance.COSINE))[OVERALL][:, 0]
        for pair in DIRECTIONS
    }


def recorded_walkers(walkers: SimulateConfig, motion: Path) -> SimulateConfig:
    """The same conditions, views and distances with recorded people alone, nobody to train on.

    Raises:
        MotionFileError: as `find_people`.
    """
    changes = {
        "subjects": 0,
        "train": 0,
        "motion": str(motion.resolve()),
        "seed": walkers.seed + 1000,
    }
    return find_people(SimulateConfig.model_validate(walkers.model_dump(mode="json") | changes))


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m bench.recorded", description=__doc__))
