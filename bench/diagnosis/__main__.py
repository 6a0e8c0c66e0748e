"""Pictures of trained runs: `python -m bench.diagnosis runs/benchmark/full-0 [RUN ...]`.

The first run is shown in full; the others stand beside it where runs are compared. Written are
`gaps.svg` (camera against LiDAR along the denoising trajectory, and `gaps.json`), `people.png`
(t-SNE), `conditions.svg`, `cmc.png`, and `found-*.png` and `missed-*.png`: the probes found with
the most room to spare and the worst failures.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import tyro

from bench.ablation.bootstrap import Estimate, estimate
from bench.ablation.running import require_protocol
from bench.ablation.table import ACROSS
from bench.diagnosis.gaps import Gaps, measure_gaps
from bench.diagnosis.plots import draw_conditions, draw_gaps, draw_people
from bench.diagnosis.retrievals import extremes
from bench.measuring.options import OtherPeople
from bench.training.machine import make_machine
from gait.cli import run
from gait.errors import ConfigError, PackError
from gait.metrics import Distance
from gait.modality import Modality
from train.checkpoint import build_network, load_checkpoint
from train.config import TrainConfig
from train.data.dataset_layout import Embedded
from train.data.pack import Pack, Record
from train.data.sustech1k import labels_of
from train.embed import embed_modalities
from train.loop.learner import Machine
from train.loop.training_run import LAST
from train.model.network import GaitNetwork
from train.protocols.outcomes import Lookup
from train.protocols.people import scores_alone
from train.protocols.sustech1k import compare_sustech1k
from train.report.plots import CMC_RANKS, draw_cmc
from train.report.results import score
from train.report.strips import draw_strip, to_png
from train.run import Command, open_pack
from train.storage import write_atomically


class Seen(NamedTuple):
    """A run, and what it makes of the test people.

    Args:
        name: of the run folder.
        network: at its last checkpoint, in evaluation mode.
        embeddings: of the test walks, by modality.
        distance: by which the run is compared.
    """

    name: str
    network: GaitNetwork
    embeddings: Embedded
    distance: Distance

    @property
    def label(self) -> str:
        """Name and distance, and the sensor if it is one alone."""
        alone = "".join(f", {modality} alone" for modality in self.embeddings) * (not self.both)
        return f"{self.name}, {self.distance} distance{alone}"

    @property
    def both(self) -> bool:
        """Whether both modalities were embedded."""
        return len(self.embeddings) == len(Modality)

    @property
    def ways(self) -> list[tuple[Modality, Modality]]:
        """What is looked up in what: across sensors, or within the only one."""
        return ACROSS if self.both else [(modality, modality) for modality in self.embeddings]


def main(
    runs: tyro.conf.Positional[tuple[Path, ...]],
    out: Path = Path("diagnosis"),
    pack: OtherPeople = None,
    walks: int = 600,
    strips: int = 6,
) -> None:
    """Draws everything.

    Args:
        runs: run folders, of one benchmark; the first is the one looked at.
        out: folder of the pictures.
        walks: test walks, drawn by chance, in the gaps and in the map of people.
        strips: probes in each picture of retrievals.
    """
    config = common_config(runs)
    people = Pack.open(pack) if pack else open_pack(Command(config))
    require_protocol(f"the pack {people.path}", people.layout)
    machine = make_machine(config.run)
    records = [record for record in people.records if record.split == "test"]
    if not records:
        raise PackError(f"{people.path} has no test people to look at")
    seen = [_look(folder, people, records, machine) for folder in runs]
    some = _some(records, walks)
    across = {one.both for one in seen}
    where = "Across sensors" if across == {True} else "Across sensors, or within the only one"
    pictures = {
        **_gaps(seen, people, [records[i] for i in some], machine),
        "conditions.svg": draw_conditions({s.label: _conditions(records, s) for s in seen}, where),
        "cmc.png": _cmc(seen[0], people, records),
        "people.png": _people(seen[0], records),
    }
    for probe in seen[0].embeddings:
        pictures |= _retrievals(seen[0], people, records, probe, strips)
    for name, picture in pictures.items():
        write_atomically(out / name, picture)
        print(out / name)


def common_config(folders: Sequence[Path]) -> TrainConfig:
    """The configuration of the first of some runs, whose people are those of all.

    Raises:
        ConfigError: no folder, or runs of other people than the first's.
        CheckpointError: a folder without a readable last checkpoint.
    """
    if not folders:
        raise ConfigError("got no run folder, need at least one, such as runs/benchmark/full-0")
    first, *others = (load_checkpoint(folder / LAST).config for folder in folders)
    for folder, other in zip(folders[1:], others, strict=True):
        if other.walkers != first.walkers:
            raise ConfigError(f"{folder} is of other people than {folders[0]}: look at it alone")
    return first


def _look(folder: Path, pack: Pack, records: list[Record], machine: Machine) -> Seen:
    checkpoint = load_checkpoint(folder / LAST)
    network = build_network(checkpoint).to(machine.device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    title = f"embedding {folder.name}"
    found = embed_modalities(network, pack, records, machine.device, machine.precision, title)
    return Seen(folder.name, network, found, checkpoint.config.distance)


def _some(records: list[Record], count: int) -> list[int]:
    chosen = np.random.default_rng(0).permutation(len(records))[:count]
    return sorted(chosen.tolist())


def _gaps(
    seen: list[Seen], pack: Pack, records: list[Record], machine: Machine
) -> dict[str, bytes]:
    found: dict[str, Gaps] = {}
    for one in seen:
        if one.network.regularizer is None:
            print(f"{one.name} has no diffusion branch and no gaps", file=sys.stderr)
            continue
        if not one.both:
            print(f"{one.label}: no gaps, which are between sensors", file=sys.stderr)
            continue
        found[one.name] = measure_gaps(one.network, pack, records, machine)
    if not found:
        return {}
    numbers = {
        name: {field: np.round(values, 4).tolist() for field, values in gaps._asdict().items()}
        for name, gaps in found.items()
    }
    text = json.dumps(numbers, indent=1).encode()
    return {"gaps.svg": draw_gaps(found), "gaps.json": text}


def _conditions(records: list[Record], one: Seen) -> dict[str, Estimate]:
    camera, lidar = (one.embeddings.get(modality) for modality in Modality)
    found = compare_sustech1k(camera, lidar, labels_of(records), (1,))
    alone = [scores_alone(found, Lookup(*pair, one.distance)) for pair in one.ways]
    result = {}
    for condition in alone[0]:
        values = np.mean([scores[condition][:, 0] for scores in alone], axis=0)
        result[condition] = estimate(values[None])
    return result


def _cmc(one: Seen, pack: Pack, records: list[Record]) -> bytes:
    result = score(
        pack, records, one.embeddings, ranks=CMC_RANKS, bootstrap=1, distance=one.distance
    )
    return draw_cmc(result)


def _people(one: Seen, records: list[Record]) -> bytes:
    subjects = np.array([r.subject for r in records])
    return draw_people(one.embeddings, subjects, one.name, one.distance)


def _retrievals(
    one: Seen, pack: Pack, records: list[Record], probe: Modality, count: int
) -> dict[str, bytes]:
    pictures = {}
    ends = extremes(records, one.embeddings, probe, count, one.distance)
    for name, retrievals in zip(("found", "missed"), ends, strict=True):
        strips = [
            draw_strip(pack, records, one.embeddings, probe, r.probe, r.gallery, one.distance)
            for r in retrievals
        ]
        for number, (strip, retrieval) in enumerate(zip(strips, retrievals, strict=True), 1):
            margin = f"margin {retrieval.margin:+.3f} by {one.distance} distance"
            print(f"{name} {probe} {number}: {strip.caption}, {margin}")
        stacked = np.concatenate([strip.picture for strip in strips], axis=0)
        pictures[f"{name}-{probe}.png"] = to_png(stacked)
    return pictures


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m bench.diagnosis", description=__doc__))
