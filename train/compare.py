"""Compares two methods over several seeds.

python -m train.compare --before base-3 base-4 base-5 --after full-3 full-4 full-5

Each is a result that train.evaluate wrote with `--out`, or a run folder, whose results.json is
taken. The first of the one side is compared with the first of the other, and so on: give the runs
of equal seeds in the same order.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from gait.cli import run
from gait.errors import EvaluationError
from train.protocols.difference import Difference, Differences
from train.protocols.result import ProtocolResult
from train.protocols.seeds import Values, interval_over_seeds

RESULTS = "results.json"


def main(
    before: tuple[Path, ...],
    after: tuple[Path, ...],
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Prints what changed in the mean over seeds, with 95 % intervals over people and seeds.

    Args:
        before: results of the one method, a seed each: JSON files or run folders.
        after: those of the other, in the same order of seeds.
        as_json: print JSON instead of a table.
    """
    changes = over_seeds(_read_all(before), _read_all(after))
    print(changes.to_json() if as_json else changes.table())


def _read_all(paths: Sequence[Path]) -> list[ProtocolResult]:
    """The results of one method, each from a file of its own.

    Raises:
        EvaluationError: a file is named twice, which would make seeds look alike.
    """
    files = [(path / RESULTS if path.is_dir() else path).resolve() for path in paths]
    if len(set(files)) < len(files):
        twice = next(path for path, file in zip(paths, files, strict=True) if files.count(file) > 1)
        raise EvaluationError(f"got {twice} twice on one side, need a result of each seed once")
    return [ProtocolResult.from_json(file.read_bytes()) for file in files]


def over_seeds(before: Sequence[ProtocolResult], after: Sequence[ProtocolResult]) -> Differences:
    """What changes in the mean over seeds.

    Args:
        before: results of one method, a seed each.
        after: of the other, in the same order.

    Returns:
        Changes whose intervals hold for other people and, of two seeds or more, for other seeds.

    Raises:
        EvaluationError: the sides are not as long, or not of the same people by the same protocol,
            or a result lacks the resamples that its people are paired by.
    """
    if not before or len(before) != len(after):
        raise EvaluationError(
            f"got {len(before)} results before and {len(after)} after, need as many: a pair of "
            "each seed"
        )
    pairs = list(zip(before, after, strict=True))
    for result in before[1:]:
        _paired(before[0].compare(result))
    compared = [_paired(one.compare(other)) for one, other in pairs]
    seeds = f"{len(pairs)} seed{'s' * (len(pairs) > 1)}"
    return Differences(
        title=f"{compared[0].title}; {seeds}",
        sure_of="people and seeds" if len(pairs) > 1 else "people alone",
        note=next((each.note for each in compared if each.note), None),
        differences=tuple(
            _over_seeds(alike, pairs)
            for alike in zip(*(each.differences for each in compared), strict=True)
        ),
    )


def _paired(changes: Differences) -> Differences:
    if all(change.low is None for change in changes.differences):
        raise EvaluationError(
            f"got results of which two are {changes.note}; need files of train.evaluate --out, or "
            "results.json of runs, of the same test people"
        )
    return changes


def _over_seeds(
    alike: tuple[Difference, ...], pairs: Sequence[tuple[ProtocolResult, ProtocolResult]]
) -> Difference:
    """One score's change, of the same score with every seed."""
    first = alike[0]
    resampled = [_resamples(b, first, first.distance_after) - _resamples(a, first, first.distance)
                 for a, b in pairs]  # fmt: skip
    drawn = np.mean(resampled, axis=0)
    drawn = drawn[np.isfinite(drawn)]
    low, high = interval_over_seeds(drawn, np.array([change.change for change in alike]))
    return first.model_copy(
        update={
            "before": float(np.mean([change.before for change in alike])),
            "after": float(np.mean([change.after for change in alike])),
            "low": low,
            "high": high,
        }
    )


def _resamples(result: ProtocolResult, of: Difference, distance: str) -> Values:
    row = result.row(probe=of.probe, gallery=of.gallery, distance=distance, condition=of.condition)
    held = row.resamples or {}
    return np.array(held[of.metric], dtype=np.float64)


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m train.compare", description=__doc__))
