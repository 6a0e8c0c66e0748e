"""A folder of `capture.run`: the people in a recording, and one decision for each of them."""

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gait.errors import ClipError, DecodeError, GaitError, LayoutError, RemoteError
from gait.verdict import Window, decided
from gallery.command_line.table import table
from gallery.enrolment.sources import TRACKS

Ask = Callable[[Path], dict[str, Any]]
"""Who walks in a clip file, as the facts that `gallery.identify` prints."""


@dataclass
class Person:
    """Somebody in a recording.

    Args:
        number: in `tracks.json` and on the page of pictures.
        begins, ends: seconds since the recording began.
        files: of their clips.
    """

    number: int
    begins: float
    ends: float
    files: list[Path] = field(default_factory=list)


def is_recording(path: Path) -> bool:
    """Whether a path is the folder of a capture."""
    return (path / TRACKS).is_file()


def people_in(folder: Path) -> list[Person]:
    """The people of a recording, in the order in which they came.

    Clips that are not there are left out, see `missing_clips`.

    Raises:
        LayoutError: its list cannot be read, or it has no clips.
    """
    people = dict[int, Person]()
    for number, begins, ends, file in _listed(folder):
        if file.is_file():
            person = people.setdefault(number, Person(number, begins, ends))
            person.begins, person.ends = min(person.begins, begins), max(person.ends, ends)
            person.files.append(file)
    if not people:
        raise LayoutError(f"{folder} holds none of the clips that {TRACKS} names")
    return sorted(people.values(), key=lambda person: person.begins)


def missing_clips(folder: Path) -> str | None:
    """How many clips of a recording's list are not there, and which, in words; None if all are.

    Raises:
        LayoutError: its list cannot be read.
    """
    listed = [file for *_, file in _listed(folder)]
    names = [file.parent.name for file in listed if not file.is_file()]
    if not names:
        return None
    return (
        f"{len(names)} of {len(listed)} clips of {folder / TRACKS} are left out, their folders "
        f"were deleted or renamed: {' '.join(names)}"
    )


def _listed(folder: Path) -> list[tuple[int, float, float, Path]]:
    """Of each clip of a recording: its person, when it begins and ends, and its file."""
    try:
        return [
            (int(c["person"]), float(c["begins"]), float(c["ends"]), folder / str(c["file"]))
            for c in json.loads((folder / TRACKS).read_bytes())["clips"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LayoutError(f"{folder / TRACKS} is not of capture.run: {error!r}") from error


def identify_people(people: list[Person], ask: Ask) -> list[dict[str, Any]]:
    """Who each person is: facts of every clip, and one decision of all of them.

    A person of whom no clip can be used has the decision `rejected`.
    """
    return [
        _identified(person, [clip_facts(file, ask) for file in person.files]) for person in people
    ]


def _identified(person: Person, clips: list[dict[str, Any]]) -> dict[str, Any]:
    windows = [_window(clip) for clip in clips if "rejected" not in clip]
    found = decided(windows) if windows else Window("rejected", None, 0.0, 0.0, None)
    return {
        "person": person.number,
        "begins": person.begins,
        "ends": person.ends,
        "decision": found.decision,
        "subject": found.subject,
        "similarity": found.similarity if found.subject is not None else None,
        "clips": clips,
    }


def clip_facts(file: Path, ask: Ask) -> dict[str, Any]:
    """What is told of a clip, or why it cannot be used: `rejected` and `detail`."""
    try:
        return {"file": str(file), **ask(file)}
    except (ClipError, DecodeError, RemoteError) as error:
        code = _code(error)
        if not code.startswith(("clip.", "decode.")):
            raise
        return {"file": str(file), "rejected": code, "detail": str(error)}


def _code(error: GaitError) -> str:
    return error.problem if isinstance(error, RemoteError) else error.code


def _window(clip: dict[str, Any]) -> Window:
    first = clip["candidates"][0] if clip["candidates"] else None
    subject, similarity = (first["subject"], first["similarity"]) if first else (None, -1.0)
    return Window(clip["decision"], subject, similarity, clip["quality"], clip.get("audit_id"))


def recording_table(people: list[dict[str, Any]]) -> str:
    """A line for each person."""
    head = ("person", "decision", "subject", "similarity", "begins", "ends", "clips", "")
    rows = [
        (
            each["person"],
            each["decision"] or "undecided",
            "" if each["subject"] is None else each["subject"],
            "" if each["similarity"] is None else f"{each['similarity']:.4f}",
            f"{each['begins']:.1f} s",
            f"{each['ends']:.1f} s",
            " ".join(Path(clip["file"]).parent.name for clip in each["clips"]),
            _remarks(each["clips"]),
        )
        for each in people
    ]
    return table(head, rows)


def _remarks(clips: list[dict[str, Any]]) -> str:
    said = defaultdict[str, list[str]](list)
    for clip in clips:
        remark = clip.get("rejected") or clip.get("undecided")
        if remark:
            said[remark].append(Path(clip["file"]).parent.name)
    return "; ".join(f"{' '.join(names)}: {remark}" for remark, names in said.items())
