"""Rank-1 against the number of frames looked at, and how they are chosen.

python -m bench.frame_budget --checkpoint demo/run/best.pt --pack packs/long

Walks should be long: the last row uses every frame. Enrolled and probe clips are cut alike, as in
the service. Feature maps are computed once for a walk; each row takes the maximum over its frames.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from bench.measuring.options import Checkpoint, OutFile
from gait.cli import run
from gait.errors import ConfigError
from gait.modality import Modality
from gait.progress import progress
from gait.sampling import evenly
from gallery.command_line.table import table
from train.checkpoint import build_network, load_checkpoint, require_style
from train.data.pack import Pack, Record
from train.embed import Embeddings
from train.model.network import GaitNetwork
from train.report.results import score
from train.storage import require_place, write_atomically

Rows = NDArray[np.intp]


def _window(have: int, most: int) -> Rows:
    first = max(0, have - most) // 2
    return np.arange(first, min(have, first + most))


def _ends(have: int, most: int) -> Rows:
    if have <= most:
        return np.arange(have)
    return np.concatenate([np.arange(most - most // 2), np.arange(have - most // 2, have)])


def _random(have: int, most: int) -> Rows:
    rng = np.random.default_rng((have, most))
    return np.sort(rng.permutation(have)[:most])


RULES: dict[str, Callable[[int, int], Rows]] = {
    "evenly": evenly,
    "first": lambda have, most: np.arange(min(have, most)),
    "middle window": _window,
    "both ends": _ends,
    "random": _random,
}


@dataclass(frozen=True)
class Arguments:
    """Measures what fewer frames cost."""

    checkpoint: Checkpoint
    pack: Path
    """Packed dataset; its test people are used, whom the network was not trained on."""
    frames: tuple[int, ...] = (1, 2, 5, 10, 15, 20, 30)
    """Numbers of frames; a last row uses all."""
    people: int | None = None
    """Test people to use, the first; all if not given."""
    out: OutFile = None


@dataclass(frozen=True)
class BudgetResult:
    """Rank-1 in percent in the four directions, and the frames of a clip in the mean."""

    rule: str
    most: int | None
    frames: float
    rank1: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the four directions."""
        return float(np.mean(self.rank1))


def main() -> None:
    """Embeds every walk by every rule and prints the table."""
    arguments = tyro.cli(Arguments, prog="python -m bench.frame_budget")
    require_place(arguments.out)
    pack = Pack.open(arguments.pack)
    records = [pack.records[row] for row in pack.of_split("test")]
    people = sorted({record.subject for record in records})[: arguments.people]
    records = [record for record in records if record.subject in people]
    if not records:
        raise ConfigError(f"{arguments.pack} has no test people")
    longest = max(record.length for record in records)
    plans = [(rule, most) for most in arguments.frames for rule in RULES] + [("evenly", longest)]
    checkpoint = load_checkpoint(arguments.checkpoint)
    require_style(checkpoint, pack, arguments.checkpoint)
    network = build_network(checkpoint)
    with progress() as bar, torch.inference_mode():
        walks = list(bar.track(records, description="walks"))
        found = [_walk(network, pack, record, plans) for record in walks]
    rows = [_found(pack, records, plan, place, found) for place, plan in enumerate(plans)]
    kind = "simulated people" if pack.simulated else "people"
    print(f"{len(records)} walks of {len(people)} {kind}, at most {longest} frames; Rank-1 in %")
    print(budget_table(rows, longest))
    if arguments.out is not None:
        write_atomically(arguments.out, json.dumps([asdict(r) for r in rows], indent=1).encode())


def _walk(
    network: GaitNetwork, pack: Pack, record: Record, plans: Sequence[tuple[str, int]]
) -> dict[Modality, Tensor]:
    """Embeddings `(plans, p, d)` of one walk in each modality."""
    found = {}
    for modality in Modality:
        encoder = network.encoder(modality)
        frames = torch.from_numpy(pack.frames(record, modality).copy())
        maps = encoder.branch.maps(frames)
        chosen = [RULES[rule](record.length, most) for rule, most in plans]
        pooled = torch.stack([maps[torch.from_numpy(rows)].amax(dim=0) for rows in chosen])
        found[modality] = F.normalize(encoder.embedding(pooled), dim=2)
    return found


def _found(
    pack: Pack,
    records: list[Record],
    plan: tuple[str, int],
    place: int,
    found: Sequence[dict[Modality, Tensor]],
) -> BudgetResult:
    rule, most = plan
    sides = (torch.stack([each[m][place] for each in found]).numpy() for m in Modality)
    result = score(pack, records, Embeddings(*sides), ranks=(1,), bootstrap=1)
    frames = float(np.mean([len(RULES[rule](record.length, most)) for record in records]))
    return BudgetResult(
        rule,
        most,
        frames,
        tuple(result.score(probe=p, gallery=g).value for p, g in product(Modality, Modality)),
    )


def budget_table(rows: Sequence[BudgetResult], longest: int) -> str:
    """One line a rule and number of frames."""
    short = {Modality.SILHOUETTE: "sil", Modality.RANGE_VIEW: "range"}
    head = ["frames", "rule", *(f"{short[p]} → {short[g]}" for p, g in product(Modality, Modality))]
    cells = [
        ("all" if row.most == longest else str(row.most), row.rule,
         *(f"{value:.2f}" for value in row.rank1), f"{row.mean:.2f}", f"{row.frames:.1f}")
        for row in rows
    ]  # fmt: skip
    return table([*head, "mean", "frames looked at"], cells)


if __name__ == "__main__":
    run(main)
