"""Writes the model card of a bundle: what it saw, what it was tried on, what it is not for.

python -m bench.model_card --bundle bundle --sensors results/sensors.json --run runs/walkers
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from pathlib import Path
from typing import Any

import tyro
import yaml

from bench.measuring.options import Bundle
from bench.sensors.__main__ import tables
from gait.cli import run
from gait.manifest import Manifest
from gait.metrics import Distance
from gait.modality import Modality
from gallery.decision.decision import bundle_calibration
from train.storage import write_atomically

CARD, RECORD = "README.md", "training.json"
CONFIG = "config.yaml"

SIZE, TEMPLATES, RATE = 160, 4, 0.01
"""Of the open sets that are shown: people enrolled, clips of each, and the FPIR that is wanted."""
PAIRS = tuple(product(Modality, [*Modality, "mixed"]))

TEMPLATE = Path(__file__).with_suffix(".md")


@dataclass(frozen=True)
class Arguments:
    """Writes README.md and training.json into a bundle; neither is read by the runtime."""

    bundle: Bundle
    sensors: Path
    """What bench.sensors wrote for this bundle."""
    tracks: Path | None = None
    """What bench.halves wrote for this bundle and tracks of real people."""
    conditions: Path | None = None
    """What bench.conditions wrote for this bundle."""
    strangers: tuple[Path, ...] = ()
    """What bench.open_set wrote for this bundle, by views that were probed."""
    run: Path | None = None
    """Folder of the training run: its configuration and losses go into the training record."""
    earlier: tuple[Path, ...] = ()
    """Folders of the runs before it, the last one first: their losses do as well."""
    began_with: str = "random weights"
    """What the run's weights were before it, in words."""
    projected_by: str = "the people of its training"
    """By whose walks its projection was fitted, in words; not told where it has none."""


def main() -> None:
    """Writes as the command line says."""
    arguments = tyro.cli(Arguments, prog="python -m bench.model_card")
    manifest = Manifest.load(arguments.bundle)
    record = training_record(manifest, arguments)
    write_atomically(arguments.bundle / RECORD, f"{json.dumps(record, indent=1)}\n".encode())
    found = json.loads(arguments.sensors.read_text())
    text = card(manifest, found, arguments)
    write_atomically(arguments.bundle / CARD, text.encode())
    print(arguments.bundle / CARD)


def training_record(manifest: Manifest, arguments: Arguments) -> dict[str, Any]:
    """Configuration, versions and every fiftieth line of losses."""
    return {
        "began_with": arguments.began_with,
        "projected_by": arguments.projected_by,
        "iterations": manifest.checkpoint.iteration,
        "checkpoint_sha256": manifest.checkpoint.sha256,
        "config": manifest.training,
        "versions": manifest.versions,
        "metrics": [] if arguments.run is None else _losses(arguments.run),
        "before": [
            {"config": yaml.safe_load((run / CONFIG).read_text()), "metrics": _losses(run)}
            for run in arguments.earlier
        ],
    }


def _losses(run: Path) -> list[Any]:
    every = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [row for row in every if row["iteration"] % 50 == 0]


def card(
    manifest: Manifest,
    sensors: Mapping[str, Any],
    arguments: Arguments,
) -> str:
    """The model card as Markdown."""
    walkers: Any = manifest.training["walkers"]
    data: Any = manifest.training["data"]
    held_out = data["validation_subjects"]
    calibration = bundle_calibration(arguments.bundle)
    people = "nobody"
    if calibration is not None:
        kind = "simulated people" if calibration.simulated else "people"
        people = f"{calibration.people} {kind} who were not trained on"
    return TEMPLATE.read_text(encoding="utf-8").format(
        name=manifest.training["name"],
        contract=manifest.contract,
        sizes=", ".join(f"{v} {manifest.size(v) / 1e6:.1f} MB" for v in manifest.variants),
        train=walkers["train"] - held_out,
        conditions=len(walkers["conditions"]),
        views=len(walkers["views"]),
        studio=walkers.get("studio_walks", 0),
        build=walkers["build"],
        clothes=walkers["clothes"],
        gait=walkers["gait"],
        iterations=manifest.checkpoint.iteration,
        began_with=arguments.began_with,
        projection=_projection(manifest, arguments.projected_by),
        decisions=people,
        accuracy="\n".join(_accuracy(manifest)),
        sensors=tables(dict(sensors)),
        strangers=_strangers([_read(file) for file in arguments.strangers]),
        all_conditions=_conditions(_read(arguments.conditions)),
        tracks=_tracks(_read(arguments.tracks)),
    )


def _read(file: Path | None) -> Any:
    return None if file is None else json.loads(file.read_text())


def _projection(manifest: Manifest, fitted_by: str) -> str:
    model: Any = manifest.training["model"]
    if model["projection"] is None:
        return "What it finds is not projected"
    return f"What it finds is projected to {model['projection']} numbers, fitted to {fitted_by}"


def _conditions(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "All conditions: not tried."
    camera, lidar = (_by_condition(found["rows"], *way) for way in permutations(Modality))
    people = camera["Overall"]["subjects"]
    sides = len({row["view"] for row in found["rows"]} - {None})
    lines = [
        f"{people} {'simulated ' * found['simulated']}people in all conditions from {sides} sides, "
        "one walk enrolled, by SUSTech1K's protocol; Rank-1 in %, 95 % interval over people.",
        "",
        "| condition | camera → LiDAR | LiDAR → camera |",
        "|---|---|---|",
    ]
    shown = "{value:.1f} [{low:.1f}, {high:.1f}]"
    for name in camera:
        cells = [shown.format(**way[name]["scores"]["rank1"]) for way in (camera, lidar)]
        lines.append(f"| {name} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def _by_condition(rows: list[Any], probe: Modality, gallery: Modality) -> dict[str, Any]:
    wanted = {"probe": probe, "gallery": gallery, "distance": Distance.COSINE, "view": None}
    return {row["condition"]: row for row in rows if wanted.items() <= row.items()}


def _strangers(found: Sequence[Mapping[str, Any]]) -> str:
    if not found:
        return "Strangers: not tried."
    lines = [
        f"{found[0]['measured_people']} people who were not trained on, {SIZE} of them enrolled by "
        f"{TEMPLATES} clips of another walk, at an FPIR of {100 * RATE:g} % by the bundle's own "
        "thresholds: how many clips of enrolled people are missed, %, and in brackets how many "
        "of strangers are called a match.",
        "",
        "| views of the probes | " + " | ".join(f"{p} → {g}" for p, g in PAIRS) + " |",
        "|---" * (len(PAIRS) + 1) + "|",
    ]
    for each in found:
        views = " and ".join(each["probed_views"])
        name = f"{views}, enrolled from the others" if views else "any, which may be enrolled"
        cells = [_stranger_cell(each["rows"], *pair) for pair in PAIRS]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _stranger_cell(rows: Sequence[Mapping[str, Any]], probe: str, enrolled: str) -> str:
    wanted = {"probe": probe, "enrolled": enrolled, "templates": TEMPLATES, "size": SIZE}
    (row,) = (r for r in rows if (wanted | {"target": RATE}).items() <= r.items())
    return f"{row['fnir']:.1f} ({row['realised']:.1f})"


def _tracks(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "Real people: not tried."
    shown = {
        name: "{rank1:.1f} % [{low:.1f}, {high:.1f}]".format(**found[name])
        for name in ("network", "mean_picture")
    }
    return (
        f"Real people: {found['tracks']} tracks of one video of a street, the second half of each "
        f"found from the first halves: {shown['network']}; by a mean picture and the nearest "
        f"neighbour {shown['mean_picture']}. Both halves are of the same minute."
    )


def _accuracy(manifest: Manifest) -> list[str]:
    """What the other variants lose: views are drawn, so the levels are no figures of merit."""
    lines = []
    for name, build in manifest.variants.items():
        if build.accuracy is None or build.accuracy.loss <= 0:
            continue
        tried = build.accuracy
        people = "simulated people" if tried.simulated else "people"
        lines.append(
            f"`{name}` loses at most {tried.loss:.2f} points of Rank-1 against the network in "
            f"torch, on {tried.walks} walks of {tried.subjects} {people}."
        )
    return lines


if __name__ == "__main__":
    run(main)
