"""How well people on a simulated street are followed, one sensor at a time.

python -m bench.street street/truth.csv clips

The street is from `python -m train.simulate --street`, the clips from `capture.run`. A clip is that
person's whom most of its frames show; it is mixed if another person has a tenth of them. All
figures are of simulated people.
"""

import csv
import json
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from bench.measuring.options import Json
from capture.track.boxes import iou
from gait.cli import run
from gait.errors import DataError

_ON_GROUND = 0.6
"""Metres between a LiDAR's person and the true place."""

_SEEN = 0.6
"""Part of a person that must be seen for a frame to count as one that can be found."""

_MIXED = 0.1


@dataclass(frozen=True)
class Followed:
    """How people were followed.

    Args:
        people: who walk on the street, and how many of them have a clip.
        passes: walks across the street in view, and how many of them have a clip.
        clips: how many, and how many show two people.
        fragments: clips more than passes that have one.
        joined: people to whom the clips were joined, and how many of these are two.
        switches: how often a track goes on with another person.
        recall: of the frames in which a person can be seen, part with a box.
        wrong: boxes that show nobody.
    """

    people: tuple[int, int]
    passes: tuple[int, int]
    clips: int
    mixed: int
    fragments: int
    joined: tuple[int, int]
    switches: int
    recall: float
    wrong: int


@dataclass(frozen=True, eq=False)
class _Truth:
    person: str
    at: np.ndarray
    box: np.ndarray | None
    seen: float


def owners(truth: dict[int, list[_Truth]], boxes: list[dict[str, str]], lidar: bool) -> list[str]:
    """Whose each box is; empty of one that shows nobody."""
    found = []
    for row in boxes:
        box = np.array([float(row[name]) for name in ("x0", "y0", "x1", "y1")])
        best, who = 0.0, ""
        for each in truth.get(int(row["frame"]), []):
            if lidar:
                away = float(np.hypot(*((box[:2] + box[2:]) / 2 - each.at)))
                near = 1 - away / _ON_GROUND
            else:
                near = (
                    0.0 if each.box is None else float(iou(box[None], each.box[None])[0, 0]) - 0.3
                )
            if near > best:
                best, who = near, each.person
        found.append(who)
    return found


def follow(truth_file: Path, folder: Path) -> tuple[Followed, dict[str, str]]:
    """Figures, and the person of each clip.

    Raises:
        DataError: a file is missing or another one.
    """
    try:
        truth = _read_truth(truth_file)
        clips = json.loads((folder / "tracks.json").read_bytes())["clips"]
        with (folder / "boxes.csv").open(newline="") as file:
            boxes = list(csv.DictReader(file))
        lidar = any(clip["modality"] == "range_view" for clip in clips)
        whose = owners(truth, boxes, lidar)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"cannot compare {folder} with {truth_file}: {error!r}") from error
    named, mixed = _clips(clips, boxes, whose)
    passes = _passes(truth, lidar)
    with_clip = {_pass_of(passes, named[c["name"]], c["first_frame"]) for c in clips} - {None}
    seen = {
        (frame, each.person)
        for frame, people in truth.items()
        for each in people
        if each.seen >= _SEEN and (lidar or each.box is not None)
    }
    got = {(int(row["frame"]), who) for row, who in zip(boxes, whose, strict=True)}
    people = {each.person for rows in truth.values() for each in rows}
    figures = Followed(
        people=(len(people), len({*named.values()} & people)),
        passes=(len(passes), len(with_clip)),
        clips=len(clips),
        mixed=mixed,
        fragments=len(clips) - len(with_clip),
        joined=_joined(clips, named),
        switches=_switches(boxes, whose),
        recall=round(len(seen & got) / max(len(seen), 1), 3),
        wrong=whose.count(""),
    )
    return figures, named


def clips_of(truth_file: Path, folder: Path) -> list[tuple[str, str, int]]:
    """Every clip of somebody by its name, whose it is, and of which of their passes, from 0.

    Raises:
        DataError: see `follow`.
    """
    _, named = follow(truth_file, folder)
    clips = json.loads((folder / "tracks.json").read_bytes())["clips"]
    lidar = any(clip["modality"] == "range_view" for clip in clips)
    passes = _passes(_read_truth(truth_file), lidar)
    found = []
    for clip in clips:
        of = _pass_of(passes, named[clip["name"]], clip["first_frame"])
        if of is not None:
            own = [each for each in passes if each[0] == of[0]]
            found.append((clip["name"], of[0], own.index(of)))
    return found


def _read_truth(path: Path) -> dict[int, list[_Truth]]:
    found = defaultdict(list)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            at = np.array([float(row["x"]), float(row["y"])])
            box = None
            if row["x0"]:
                box = np.array([float(row[name]) for name in ("x0", "y0", "x1", "y1")])
            found[int(row["frame"])].append(_Truth(row["person"], at, box, float(row["seen"])))
    return dict(found)


def _clips(
    clips: list[dict[str, Any]], boxes: list[dict[str, str]], whose: list[str]
) -> tuple[dict[str, str], int]:
    by_track = defaultdict(list)
    for row, who in zip(boxes, whose, strict=True):
        by_track[int(row["track"])].append((int(row["frame"]), who))
    named, mixed = dict[str, str](), 0
    for clip in clips:
        inside = [
            who
            for frame, who in by_track[clip["track"]]
            if clip["first_frame"] <= frame <= clip["last_frame"] and who
        ]
        counted = Counter(inside).most_common(2)
        named[clip["name"]] = counted[0][0] if counted else ""
        mixed += len(counted) > 1 and counted[1][1] > _MIXED * len(inside)
    return named, mixed


def _joined(clips: list[dict[str, Any]], named: dict[str, str]) -> tuple[int, int]:
    whose = defaultdict[int, set[str]](set)
    for clip in clips:
        whose[clip["person"]].add(named[clip["name"]])
    return len(whose), sum(len(each) > 1 for each in whose.values())


def _passes(truth: dict[int, list[_Truth]], lidar: bool) -> list[tuple[str, int, int]]:
    """Person, first and last frame of every stay in view of twenty frames or more."""
    frames = defaultdict(list)
    for frame, people in truth.items():
        for each in people:
            if lidar or each.box is not None:
                frames[each.person].append(frame)
    found = list[tuple[str, int, int]]()
    for person, seen in frames.items():
        stays = np.split(seen, np.flatnonzero(np.diff(seen) > 1) + 1)
        found += [(person, int(part[0]), int(part[-1])) for part in stays if len(part) >= 20]
    return found


def _pass_of(
    passes: list[tuple[str, int, int]], person: str, frame: int
) -> tuple[str, int, int] | None:
    return next((p for p in passes if p[0] == person and p[1] <= frame <= p[2]), None)


def _switches(boxes: list[dict[str, str]], whose: list[str]) -> int:
    last, switches = dict[str, str](), 0
    for row, who in zip(boxes, whose, strict=True):
        if who:
            switches += last.get(row["track"], who) != who
            last[row["track"]] = who
    return switches


def command(
    truth: Annotated[Path, tyro.conf.Positional],
    clips: Annotated[Path, tyro.conf.Positional],
    json: Json = False,
) -> None:
    """Fragments, switches and recall of a capture of a simulated street.

    Args:
        truth: truth.csv of the street.
        clips: folder of capture.run.
        json: print as JSON, with the person of each clip.
    """
    figures, named = follow(truth, clips)
    if json:
        print(_json({**asdict(figures), "named": named}))
        return
    print("\n".join(f"{name:<10} {value}" for name, value in asdict(figures).items()))


def _json(facts: dict[str, Any]) -> str:
    return json.dumps(facts)


def main() -> None:
    """Runs the command line."""
    tyro.cli(command, prog="python -m bench.street")


if __name__ == "__main__":
    run(main)
