"""A folder of people whose names are known: is each clip found to be theirs?"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from gait.decode.folder import frames_in
from gait.errors import LayoutError
from gallery.command_line.recording import Ask, clip_facts
from gallery.command_line.table import table
from gallery.enrolment.sources import Selection, Source, find_sources

_FOUND = ("match", "possible")
_OUTCOMES = (
    *((decision, outcome) for decision in _FOUND for outcome in ("right", "wrong")),
    ("no_match", "missed"),
    ("undecided", ""),
    ("rejected", ""),
)
"""Decisions, and what each is if the clip is of the person it is said to be of."""


def is_labelled(path: Path) -> bool:
    """Whether a path is a CSV file of clips, or a folder of folders and no clip itself."""
    if not path.is_dir():
        return path.suffix.lower() == ".csv"
    inside = [each for each in path.iterdir() if not each.name.startswith(".")]
    return not frames_in(path) and any(each.is_dir() for each in inside)


def labelled_sources(path: Path) -> list[Source]:
    """Every clip of a labelled folder, or of a CSV file, as `gallery.calibrate` takes them.

    Raises:
        LayoutError: as `find_sources`, or it is a tree of pickles, which are no clip files.
    """
    sources = find_sources(path, Selection())
    if any(source.file is None for source in sources):
        raise LayoutError(
            f"{path} is a tree of pickles, need clip files <person>/<clip file> to search for"
        )
    return sources


def identify_labelled(
    sources: Iterable[Source], ask: Ask, advance: Callable[[int], None] = lambda _: None
) -> list[dict[str, Any]]:
    """Facts of every clip, with the person it is said to be of, who was found, and the outcome.

    Args:
        sources: of clip files.
        ask: tells who walks in a clip file.
        advance: called with 1 for each clip that was searched for.
    """
    found = list[dict[str, Any]]()
    for source in sources:
        assert source.file is not None
        found.append(_judged(source, clip_facts(source.file, ask)))
        advance(1)
    return found


def _judged(source: Source, facts: dict[str, Any]) -> dict[str, Any]:
    if "rejected" in facts:
        decision, first = "rejected", None
    else:
        decision = facts["decision"] or "undecided"
        first = facts["candidates"][0] if decision in _FOUND else None
    subject = None if first is None else first["subject"]
    outcome = "missed" if decision == "no_match" else ""
    if first is not None:
        outcome = "right" if subject == source.subject else "wrong"
    return {
        "person": source.subject,
        "clip": source.name,
        "decision": decision,
        "subject": subject,
        "similarity": None if first is None else first["similarity"],
        "outcome": outcome,
        "facts": facts,
    }


def outcomes(clips: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """How many clips, and people of theirs, there are of each decision and outcome."""
    counted = list[dict[str, Any]]()
    for decision, outcome in _OUTCOMES:
        own = [c["person"] for c in clips if (c["decision"], c["outcome"]) == (decision, outcome)]
        row = {"decision": decision, "outcome": outcome}
        counted.append(row | {"clips": len(own), "people": len(set(own))})
    return counted


def labelled_table(clips: Sequence[dict[str, Any]]) -> str:
    """A line for each clip, and below how many were right, wrong and missed."""
    rows = [
        (
            each["person"],
            each["clip"],
            each["decision"],
            each["subject"] or "",
            "" if each["similarity"] is None else f"{each['similarity']:.4f}",
            each["outcome"] or each["facts"].get("rejected") or each["facts"]["undecided"],
        )
        for each in clips
    ]
    listed = table(("person", "clip", "decision", "found", "similarity", ""), rows)
    counts = [tuple(each.values()) for each in outcomes(clips)]
    return f"{listed}\n\n{table(('decision', 'outcome', 'clips', 'people'), counts)}"
