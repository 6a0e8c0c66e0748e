"""Scores a checkpoint, or embeddings, under a published protocol.

python -m train.evaluate CHECKPOINT.pt --pack PACK [--report FOLDER]
python -m train.evaluate EMBEDDINGS.npz [--protocol freegait]

The .npz holds `silhouette` and `range_view`, or one of them, float `(n, p, d)`, and string arrays
of n: `subjects`, `types` and `views` for SUSTech1K (and simulated walkers), `subjects` and `roles`
for FreeGait. `--embeddings` writes such a file from a checkpoint, with single strings `protocol`
and `distance` and the truth value `simulated`: what holds where no option says otherwise; and
`frames`, a hash of the pack's frames, by which `--against` knows the same people.
"""

import sys
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from numpy.typing import NDArray

from gait.cli import run
from gait.errors import EvaluationError
from gait.metrics import Distance
from gait.modality import Modality
from train.checkpoint import load_checkpoint, same_style
from train.data.dataset_layout import GalleryRule, Scoring
from train.data.identity import frames_hash
from train.data.pack import Pack, Record
from train.dataset_layouts import layout_named
from train.loop.learner import Machine
from train.loop.training_run import BEST
from train.machine.device import pick_device, pick_precision, set_threads
from train.machine.distributed import Ranks
from train.protocols.result import ProtocolResult
from train.report.results import (
    Tested,
    embed_test_people,
    known_people_said,
    scored,
    write_results,
)
from train.run import Command, open_pack
from train.storage import require_place, write_atomically

_UNREADABLE = (
    ValueError,
    EOFError,
    MemoryError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)

_FIELDS = {"subjects": "subject", "types": "type", "views": "view", "roles": "role"}
"""Names of the arrays of an .npz, and of the fields of a record."""

_SAID = "protocol", "distance", "simulated", "frames"
"""Single values of an .npz."""

_NEEDED = {"sustech1k": ("subjects", "types", "views"), "freegait": ("subjects", "roles")}
"""What a protocol needs of them; another one needs all."""


def main(
    source: tyro.conf.Positional[Path],
    pack: Path | None = None,
    protocol: str | None = None,
    gallery: GalleryRule = "list",
    distance: Distance | None = None,
    simulated: bool = False,
    views: bool = False,
    bootstrap: int = 1000,
    seed: int = 0,
    against: Path | None = None,
    report: Path | None = None,
    embeddings: Path | None = None,
    out: Path | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Scores a checkpoint or embeddings: both distances, all directions, 95 % intervals.

    Args:
        source: a checkpoint of train.run (.pt), or its folder for best.pt there; or an .npz file
            with the arrays named above.
        pack: whose test people to score a checkpoint on; simulated walkers are made if not given.
        protocol: whose rules to follow, sustech1k or freegait; not given: the pack's, of an .npz
            what it says, or else sustech1k.
        gallery: FreeGait only: the listed gallery, or all that are no probe.
        distance: which distance comes first; not given: that of the checkpoint's configuration, of
            an .npz what it says, or else cosine.
        simulated: the people of an .npz are simulated, whatever it says; the table will say so.
        views: also a line for each probe view.
        bootstrap: resamples of people.
        seed: of the resamples.
        against: an earlier result's JSON; prints the change since then instead, first each by the
            distance that it goes by. Intervals are paired where both scored the same walks.
        report: write results.json, cmc.png and report.html into this folder (of a checkpoint).
        embeddings: write the checkpoint's embeddings here, as an .npz that this command reads.
        out: write the JSON here, with the resamples a paired comparison needs.
        as_json: print JSON instead of tables.
    """
    how = Scoring(bootstrap=bootstrap, seed=seed, simulated=simulated, gallery=gallery)
    before = None if against is None else ProtocolResult.from_json(against.read_bytes())
    for path in (embeddings, out, report and report / "results.json"):
        require_place(path)
    if source.is_dir():
        source /= BEST
    if source.suffix not in {".pt", ".pth"}:
        if pack or report or embeddings:
            raise EvaluationError("--pack, --report and --embeddings need a checkpoint (.pt)")
        result = score_file(source, protocol, distance, how)
    else:
        tested = embed_by_checkpoint(source, pack)
        how = how._replace(
            distance=distance or tested.checkpoint.config.distance, simulated=tested.pack.simulated
        )
        if embeddings is not None:
            save_embeddings(embeddings, tested)
        layout = protocol or tested.pack.layout
        if report is not None:
            result = write_results(report, tested, how, source.parent, layout)
        else:
            result = scored(tested, how, layout_named(layout))
    if out is not None:  # first: there may be nobody to print to, or nothing to compare with
        write_atomically(out, result.to_json(resamples=True).encode())
    if before is not None:
        changes = before.compare(result)
        print(changes.to_json() if as_json else changes.table())
    else:
        print(result.to_json() if as_json else result.table(views=views))


def embed_by_checkpoint(path: Path, pack: Path | None) -> Tested:
    """Embeds a pack's test people by a checkpoint, on the device of its configuration.

    The pack may be of another layout than the one that was trained on.

    Raises:
        CheckpointError: there is no readable checkpoint.
        ConfigError: no pack is given and the checkpoint's people were not simulated.
        PackError: the pack has no test people, or nothing that the network takes.
    """
    checkpoint = load_checkpoint(path)
    config = checkpoint.config
    opened = Pack.open(pack) if pack is not None else open_pack(Command(config))
    if not same_style(checkpoint, opened):
        print(
            f"note: the pack's range views are drawn as {opened.range_style}, those of the "
            f"training as {checkpoint.range_style}",
            file=sys.stderr,
        )
    if (known := known_people_said(checkpoint, opened)) is not None:
        print(f"warning: {known}", file=sys.stderr)
    device = pick_device(config.run, Ranks())
    set_threads(config.run)
    machine = Machine(device, pick_precision(config.run, device))
    return embed_test_people(checkpoint, opened, machine)


def score_file(
    path: Path, protocol: str | None, distance: Distance | None, how: Scoring
) -> ProtocolResult:
    """Scores the embeddings of an .npz file.

    Args:
        path: of the file.
        protocol, distance: None: what the file says, or else sustech1k and cosine.
        how: all else; people are also simulated if the file says so.

    Raises:
        EvaluationError: it is not such a file, or lacks an array that the protocol needs.
    """
    arrays = load_embeddings(path)
    held = {m: arrays[m] for m in Modality if m in arrays}
    if not held:
        _array(arrays, Modality.RANGE_VIEW)
    said = {name: arrays[name].item() for name in _SAID if name in arrays and not arrays[name].ndim}
    protocol = protocol or str(said.get("protocol", "sustech1k"))
    how = how._replace(
        distance=distance or _distance(str(said.get("distance", Distance.COSINE)), path),
        simulated=how.simulated or bool(said.get("simulated", False)),
    )
    layout, names = layout_named(protocol), _NEEDED.get(protocol, tuple(_FIELDS))
    columns = {name: _array(arrays, name).astype(str).tolist() for name in names}
    lengths = {str(name): len(values) for name, values in [*held.items(), *columns.items()]}
    if len(set(lengths.values())) > 1:
        raise EvaluationError(f"got arrays of lengths {lengths}, need as many of each")
    frames = str(said["frames"]) if "frames" in said else None
    result = layout.score(held, _records(columns), how)
    return result.model_copy(update={"frames_sha256": frames})


def _records(columns: Mapping[str, Sequence[str]]) -> list[Record]:
    rows = zip(*columns.values(), strict=True)
    named: list[dict[str, Any]] = [
        dict(zip((_FIELDS[name] for name in columns), row, strict=True)) for row in rows
    ]
    return [
        Record(
            row["subject"],
            row.get("type", ""),
            row.get("view", ""),
            "test",
            index,
            1,
            row.get("role") or None,
        )
        for index, row in enumerate(named)
    ]


def _distance(name: str, path: Path) -> Distance:
    try:
        return Distance(name)
    except ValueError:
        known = ", ".join(Distance)
        raise EvaluationError(f"{path} says distance {name!r}, need one of {known}") from None


def save_embeddings(path: Path, tested: Tested) -> None:
    """Writes embeddings as the .npz file that this command reads."""
    columns = {
        name: np.array([getattr(record, field) or "" for record in tested.records], dtype=str)
        for name, field in _FIELDS.items()
    }
    pack, distance = tested.pack, str(tested.checkpoint.config.distance)
    said = pack.layout, distance, pack.simulated, frames_hash(pack.index)
    arrays: dict[str, Any] = {
        **{str(modality): found for modality, found in tested.embeddings.items()},
        **columns,
        **dict(zip(_SAID, map(np.array, said), strict=True)),
    }
    with path.open("wb") as stream:
        np.savez(stream, **arrays)


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


def command() -> None:
    """Runs the command line."""
    values = (tyro.conf.EnumChoicesFromValues,)
    tyro.cli(main, prog="python -m train.evaluate", description=__doc__, config=values)


if __name__ == "__main__":
    run(command)
