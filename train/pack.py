"""Packs a dataset once, so that training and evaluation read two memory-mapped files.

python -m train.pack ROOT --partition P.json --out PACK [--layout freegait]
python -m train.pack --check PACK
"""

import json
import sys
from collections import Counter
from collections.abc import Sized
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import tyro

from gait.cli import run
from gait.modality import Modality
from gait.range_style import RangeStyle
from train.data.pack import Pack
from train.data.packing import SKIPPED, Report, pack_dataset, reader

_SHOWN = 3


def pack(
    root: Annotated[Path | None, tyro.conf.Positional] = None,
    partition: Path | None = None,
    out: Path | None = None,
    layout: str = "sustech1k",
    modality: Modality | None = None,
    silhouettes: str | None = None,
    range_views: str | None = None,
    range_style: RangeStyle | None = None,
    check: Path | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Packs a dataset, or checks a pack.

    Args:
        root: the dataset: a folder of <subject>/<type>/<view> folders.
        partition: JSON with TRAIN_SET and TEST_SET, for FreeGait also GALLERY_SET and PROBE_SET.
        out: the pack to make; must not exist.
        layout: how the dataset is laid out, sustech1k or freegait; simulated walkers are sustech1k.
        modality: pack this one alone; the dataset need not have the other.
        silhouettes: name of each sequence's file of silhouettes, where it is not the layout's; in
            SUSTech1K's {view} stands for the view.
        range_views: the same for range views.
        range_style: how the range views were drawn, if not as the layout's own files: bins where
            you made them from clouds with gait.range_view. The exported network's service draws
            clouds alike.
        check: verify this pack instead: sizes, records and the sha256 of all frames.
        as_json: print the result as JSON.
    """
    if check is not None:
        if root or partition or out:
            _usage("--check PACK stands alone")
        opened = Pack.open(check)
        opened.verify()
        print(json.dumps(_contents(opened)) if as_json else f"{_sentence(opened)}: whole")
        return
    if root is None or partition is None or out is None:
        _usage("ROOT, --partition and --out are needed, or --check PACK")
    named = {Modality.SILHOUETTE: silhouettes, Modality.RANGE_VIEW: range_views}
    read = reader(layout, {m: name for m, name in named.items() if name is not None})
    kinds = tuple(Modality) if modality is None else (modality,)
    report = pack_dataset(
        root, partition, out, layout=layout, read=read, modalities=kinds, range_style=range_style
    )
    opened = Pack.open(out)
    if as_json:
        print(json.dumps(_contents(opened) | _omissions(report)))
    else:
        print("\n".join([_sentence(opened), *_skipped_lines(report, out)]))


def _usage(message: str) -> NoReturn:
    print(f"{message}; see python -m train.pack --help", file=sys.stderr)
    sys.exit(2)


def _contents(opened: Pack) -> dict[str, object]:
    people = {record.subject: record.split for record in opened.records}
    return {
        "pack": str(opened.path),
        "layout": opened.layout,
        "simulated": opened.simulated,
        "range_style": opened.range_style,
        "sequences": len(opened.records),
        "modalities": list(opened.modalities),
        "frames": opened.frame_count,
        "subjects": dict(Counter(people.values())),
        "roles": dict(Counter(record.role for record in opened.records if record.role)),
    }


def _sentence(opened: Pack) -> str:
    people = {record.subject: record.split for record in opened.records}
    train = sum(split == "train" for split in people.values())
    kind = "simulated " if opened.simulated else ""
    both = len(opened.modalities) == len(Modality)
    frames = "paired frames" if both else f"{opened.modalities[0]} frames"
    return (
        f"{opened.path}: {len(opened.records)} sequences, {opened.frame_count} {frames} "
        f"of {len(people)} {kind}subjects ({train} train, {len(people) - train} test)"
        + f", range views of style {opened.range_style}"
        * (Modality.RANGE_VIEW in opened.modalities)
    )


def _omissions(report: Report) -> dict[str, object]:
    return {
        "skipped": [asdict(skip) for skip in report.skipped],
        "missing_subjects": report.missing_subjects,
        "missing_roles": report.missing_roles,
    }


def _skipped_lines(report: Report, out: Path) -> list[str]:
    lines = []
    if report.skipped:
        lines.append(f"skipped {_count(report.skipped, 'sequence')} (all in {out / SKIPPED})")
    for reason, count in report.counts().items():
        lines.append(f"  {count:>6}  {reason}")
        examples = [skip for skip in report.skipped if skip.reason == reason][:_SHOWN]
        lines += [f"          {skip.sequence}: {skip.detail}" for skip in examples]
    lacking = {"subject": report.missing_subjects, "gallery or probe entry": report.missing_roles}
    for what, names in lacking.items():
        if names:
            some = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
            verb = "has" if len(names) == 1 else "have"
            lines.append(f"{_count(names, what)} of the partition {verb} nothing packed: {some}")
    return lines


def _count(items: Sized, noun: str) -> str:
    if len(items) == 1:
        return f"1 {noun}"
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{len(items)} {plural}"


def main() -> None:
    tyro.cli(pack, prog="python -m train.pack", config=(tyro.conf.EnumChoicesFromValues,))


if __name__ == "__main__":
    run(main)
