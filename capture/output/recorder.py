"""What a capture has found so far, on disk: clips, boxes, and where to go on.

| in the folder | |
|---|---|
| `0001/walk.npz` | a clip: what `gallery.build` and `POST /identify` read |
| `tracks.json` | every clip: when, where, how good |
| `boxes.csv` | every person in every frame |
| `people.html` | a page of pictures |
| `.work/` | while it is not finished: where to go on |
"""

import csv
import io
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from capture.output.clip_file import pack, quality_of
from capture.output.lines import Lines
from capture.output.looks import looks_of
from capture.output.page import page_of, strip_of
from capture.track.joining import joined
from capture.track.sighting import Sighting
from gait.errors import CaptureStateError
from gait.modality import Modality

_LISTED = "clips.jsonl"
_CLIP = "walk.npz"
COLUMNS = ("frame", "seconds", "track", "x0", "y0", "x1", "y1", "certainty")


class Recorder:
    """Writes what a capture finds; after `save` an interrupted one can go on from there.

    Nothing of what was written stays in memory.

    Args:
        folder: of the results, made if needed.
        modality: of the clips.
        source: what is captured and how; another capture cannot go on in this folder.
        keep: frames that a clip must have.
        every: frames of the recording for one that was looked at.

    Raises:
        CaptureStateError: the folder holds the results of another capture, or damaged ones.

    Attributes:
        clips: written so far.
        state: where an interrupted capture goes on.
    """

    def __init__(
        self, folder: Path, modality: Modality, source: dict[str, Any], keep: int, every: int = 1
    ) -> None:
        self.folder, self.modality = folder, modality
        self._source, self._keep, self._every = source, keep, every
        self._work = folder / ".work"
        saved = self._saved()
        self._work.mkdir(parents=True, exist_ok=True)
        self.state: str | None = saved.get("state")
        self.clips: int = saved.get("clips", 0)
        self._boxes = Lines(folder / "boxes.csv", saved.get("boxes", 0))
        self._listed = Lines(self._work / _LISTED, saved.get("listed", 0))
        if saved:
            self._forget_unsaved()
        else:
            self._boxes.write(",".join(COLUMNS) + "\n")
            self.save(None)

    def boxes(self, settled: list[tuple[int, Sighting]]) -> None:
        """Appends people whose frames are done: track and sighting, the earliest first."""
        rows = io.StringIO()
        writer = csv.writer(rows, lineterminator="\n")
        for track, each in sorted(settled, key=lambda pair: (pair[1].frame, pair[0])):
            place = [round(value, 3) for value in each.box]
            seconds, sure = round(each.seconds, 3), round(each.certainty, 3)
            writer.writerow([each.frame * self._every, seconds, track, *place, sure])
        self._boxes.write(rows.getvalue())

    def piece(self, track: int, sightings: Sequence[Sighting], least_size: float = 0.0) -> None:
        """Writes a piece of a track as a clip, if enough of it shows all of the person.

        Args:
            track: whose it is.
            sightings: in order.
            least_size: median height of the boxes that it must have.
        """
        whole = [each for each in sightings if each.whole]
        if len(whole) < self._keep or _height(whole) < least_size:
            return
        clip = pack(whole, self.modality)
        quality = quality_of(clip, self.modality)
        self.clips += 1
        name = f"{self.clips:04d}"
        file = self.folder / name / _CLIP
        if file.exists():
            raise CaptureStateError(
                f"{file} was not written by this capture; move {file.parent} to another folder, "
                "then run the same command again"
            )
        _write(self._strip(name), strip_of(whole, self.modality))  # first: it says whose clip it is
        file.parent.mkdir(exist_ok=True)
        _write(file, clip)
        facts = {
            "name": name,
            "file": f"{name}/{_CLIP}",
            "track": track,
            "modality": str(self.modality),
            "frames": len(whole),
            "left_out": len(sightings) - len(whole),
            "first_frame": whole[0].frame * self._every,
            "last_frame": whole[-1].frame * self._every,
            "begins": round(whole[0].seconds, 3),
            "ends": round(whole[-1].seconds, 3),
            "seconds": [round(each.seconds, 3) for each in whole],
            "boxes": [[round(value, 2) for value in each.box] for each in whole],
            "looks": [looks_of(whole), looks_of(whole[::-1])],
            "quality": round(quality.score, 3),
            "quality_reasons": [str(reason) for reason in quality.reasons],
        }
        self._listed.write(json.dumps(facts) + "\n")

    def ended(self, track: int) -> None:
        """Somebody has gone; there is nothing to do."""

    def save(self, state: str | None) -> None:
        """From here on an interrupted capture goes on from this state; None is the beginning."""
        saved = {
            "source": self._source,
            "boxes": self._boxes.save(),
            "listed": self._listed.save(),
            "clips": self.clips,
            "state": state,
        }
        _write(self._work / "state.json", json.dumps(saved).encode())

    def finish(self) -> dict[str, Any]:
        """Writes the list of tracks and the page of pictures, and tidies up.

        Returns:
            What is in `tracks.json`.
        """
        self.close()
        with (self._work / _LISTED).open(encoding="utf-8") as lines:
            clips = [json.loads(line) for line in lines]
        for clip, person in zip(clips, joined(clips), strict=True):
            clip["person"] = person
            del clip["looks"]
        tracks = {"source": self._source, "finished": True, "clips": clips}
        page = self._work / "people.html"
        with page.open("w", encoding="utf-8") as file:
            file.writelines(page_of(clips, lambda name: self._strip(name).read_bytes()))
        page.replace(self.folder / page.name)
        _write(self.folder / "tracks.json", json.dumps(tracks, indent=1).encode())
        for path in self._work.iterdir():
            path.unlink()
        self._work.rmdir()
        return tracks

    def close(self) -> None:
        """Leaves an unfinished capture; what was saved stays."""
        self._boxes.close()
        self._listed.close()

    def _saved(self) -> dict[str, Any]:
        """What `save` wrote of this capture; nothing if there was none here."""
        finished, saved = self.folder / "tracks.json", self._work / "state.json"
        if finished.exists():
            raise self._other("a finished", _source_in(finished))
        if not saved.exists():
            self._require_no_clips()
            return {}
        if (before := _source_in(saved)) != _as_json(self._source):
            raise self._other("an unfinished", before)
        held: dict[str, Any] = json.loads(saved.read_bytes())
        return held

    def _other(self, kind: str, before: dict[str, Any]) -> CaptureStateError:
        """Says what is different: the recording, an option, or what an older version noted."""
        now, none = _as_json(self._source), "not noted"
        changed = [
            f"{key} ({before.get(key, none)} → {now.get(key, none)})"
            for key in {**before, **now}
            if before.get(key, none) != now.get(key, none)
        ]
        return CaptureStateError(
            f"{self.folder} holds {kind} capture of another recording, with other options or by "
            f"another version: {', '.join(changed)}; give another folder by --out, or delete it"
        )

    def _require_no_clips(self) -> None:
        if (clip := next(self.folder.glob(f"*/{_CLIP}"), None)) is not None:
            raise CaptureStateError(
                f"{self.folder} holds clips of which nothing says what recording they are of, such "
                f"as {clip.parent.name}; give another folder by --out, or delete it"
            )

    def _forget_unsaved(self) -> None:
        """Deletes the clips that were written after what was saved; they are found again."""
        for strip in self._work.glob("[0-9]*.jpg"):
            if int(strip.stem) > self.clips:
                folder = self.folder / strip.stem
                (folder / _CLIP).unlink(missing_ok=True)
                with suppress(OSError):  # it is not there, or somebody put something else into it
                    folder.rmdir()
                strip.unlink()

    def _strip(self, name: str) -> Path:
        """The pictures of a clip; they are there before the clip is, until all is finished."""
        return self._work / f"{name}.jpg"


def finished_tracks(folder: Path, source: dict[str, Any]) -> dict[str, Any] | None:
    """What a finished capture of a source found; None if the folder does not hold it.

    Raises:
        CaptureStateError: the list of tracks is damaged.
    """
    path = folder / "tracks.json"
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise CaptureStateError(f"{path} is damaged; delete {folder} and capture anew") from error
    same = isinstance(found, dict) and found.get("source") == _as_json(source)
    return found if same else None


def _source_in(path: Path) -> dict[str, Any]:
    """What a file of a capture says it is of."""
    try:
        source: dict[str, Any] = {**json.loads(path.read_bytes())["source"]}
    except (ValueError, KeyError, TypeError) as error:
        folder = path.parent if path.name == "tracks.json" else path.parents[1]
        raise CaptureStateError(f"{path} is damaged; delete {folder} and capture anew") from error
    return source


def _as_json(source: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(json.dumps(source))
    return read


def _height(sightings: Sequence[Sighting]) -> float:
    return float(np.median([each.box[3] - each.box[1] for each in sightings]))


def _write(path: Path, data: bytes) -> None:
    """All of a file or nothing of it."""
    partial = path.with_name(f".{path.name}.part")
    partial.write_bytes(data)
    partial.replace(path)
