"""Scores embeddings under a published protocol: `python -m train.evaluate EMBEDDINGS.npz`.

The file holds `silhouette` and `range_view`, float `(n, p, d)`, and string arrays of n: `subjects`,
`types` and `views` for SUSTech1K (and simulated walkers), `subjects` and `roles` for FreeGait.
"""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro
from numpy.typing import NDArray

from gait.cli import run
from gait.errors import EvaluationError
from train.protocols.difference import Difference, Differences
from train.protocols.freegait import evaluate_freegait
from train.protocols.records import Interval, Row, Score
from train.protocols.result import ProtocolResult
from train.protocols.sustech1k import CONDITIONS, Labels, evaluate_sustech1k

__all__ = [
    "CONDITIONS",
    "Difference",
    "Differences",
    "Interval",
    "Labels",
    "ProtocolResult",
    "Row",
    "Score",
    "evaluate_freegait",
    "evaluate_sustech1k",
]

_UNREADABLE = (
    ValueError,
    EOFError,
    MemoryError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


def main(
    embeddings: tyro.conf.Positional[Path],
    protocol: Literal["sustech1k", "freegait"] = "sustech1k",
    gallery: Literal["list", "complement"] = "list",
    simulated: bool = False,
    views: bool = False,
    bootstrap: int = 1000,
    seed: int = 0,
    against: Path | None = None,
    out: Path | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Scores embeddings: both distances, all four modality directions, 95 % intervals.

    Args:
        embeddings: .npz file with the arrays named above.
        protocol: whose rules to follow.
        gallery: FreeGait only: the listed gallery, or all that are no probe.
        simulated: the people are simulated; the table will say so.
        views: also a line for each probe view.
        bootstrap: resamples of people.
        seed: of the resamples.
        against: an earlier result's JSON; prints the change since then instead.
        out: write the JSON here, with the resamples a paired comparison needs.
        as_json: print JSON instead of tables.
    """
    arrays = load_embeddings(embeddings)
    both = _array(arrays, "silhouette"), _array(arrays, "range_view")
    subjects = _array(arrays, "subjects").astype(str)
    if protocol == "sustech1k":
        labels = Labels(
            subjects, _array(arrays, "types").astype(str), _array(arrays, "views").astype(str)
        )
        result = evaluate_sustech1k(
            *both, labels, bootstrap=bootstrap, seed=seed, simulated=simulated
        )
    else:
        roles = _array(arrays, "roles").astype(str)
        result = evaluate_freegait(
            *both,
            subjects,
            roles,
            gallery=gallery,
            bootstrap=bootstrap,
            seed=seed,
            simulated=simulated,
        )
    if out is not None:
        out.write_text(result.to_json(resamples=True))
    if against is not None:
        changes = ProtocolResult.from_json(against.read_bytes()).compare(result)
        print(changes.to_json() if as_json else changes.table())
    else:
        print(result.to_json() if as_json else result.table(views=views))


def load_embeddings(path: Path) -> dict[str, NDArray[Any]]:
    """Reads the arrays of an .npz file, never a pickled object.

    Raises:
        EvaluationError: not such a file.
    """
    try:
        with path.open("rb") as stream:
            loaded = np.load(stream, allow_pickle=False)
            if isinstance(loaded, np.lib.npyio.NpzFile):
                return {name: loaded[name] for name in loaded.files}
    except _UNREADABLE as error:
        raise EvaluationError(
            f"cannot read {path}, need an .npz of plain arrays: save it anew with numpy.savez"
        ) from error
    raise EvaluationError(f"got a single array in {path}, need an .npz of several")


def _array(arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[Any]:
    if name not in arrays:
        raise EvaluationError(f"got arrays {sorted(arrays)}, need {name!r} too")
    return arrays[name]


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m train.evaluate"))
