"""How well a bundle finds the second half of a track from its first half.

python -m bench.halves tracks --bundle bundle

Tracks of real people have no names, but both halves of one are the same person. Nobody else is
told apart from them by where and when: this is easier than finding a person on another day. A mean
picture with the nearest neighbour is scored beside: a network that does not beat it has learned
nothing that holds on these people.
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray

from bench.measuring.options import Bundle, Json, OutFile
from bench.sensors.rank import Embedded, Score, rank1
from gait.cli import run
from gait.clip import Clip
from gait.errors import EvaluationError, GaitError
from gait.modality import Modality
from gait.range_style import RangeStyle
from gallery.enrolment.sources import Selection, find_sources
from gallery.network.encoder import Encoder
from train.storage import write_atomically


@dataclass(frozen=True)
class Arguments:
    """Ranks second halves of tracks among first halves."""

    tracks: tyro.conf.Positional[Path]
    """Folder <track>/<clip file>; of a track with several clips the longest is taken."""
    bundle: Bundle
    modality: Modality = Modality.SILHOUETTE
    least: int = 20
    """Frames of a track; shorter ones are left out."""
    out: OutFile = None
    json: Json = False


def main() -> None:
    """Measures as the command line says."""
    arguments = tyro.cli(
        Arguments, prog="python -m bench.halves", config=(tyro.conf.EnumChoicesFromValues,)
    )
    encoder = Encoder.load(arguments.bundle)
    clips = tracks(arguments, encoder.range_style)
    if len(clips) < 2:
        raise EvaluationError(f"got {len(clips)} tracks of {arguments.least} frames, need two")
    halves = [(half(clip, 0), half(clip, 1)) for clip in clips]
    first, second = ([pair[k] for pair in halves] for k in (0, 1))
    found = {
        "tracks": len(clips),
        "frames": int(np.median([len(clip) for clip in clips])),
        "contract": encoder.contract,
        "chance": round(100 / len(clips), 1),
        "network": asdict(scored(encoder.embed(second), encoder.embed(first))),
        "mean_picture": asdict(scored(mean_pictures(second), mean_pictures(first))),
    }
    text = json.dumps(found, indent=1)
    if arguments.out is not None:
        write_atomically(arguments.out, f"{text}\n".encode())
    print(text if arguments.json else _table(found))


def tracks(arguments: Arguments, style: RangeStyle) -> list[Clip]:
    """The longest usable clip of each track; what cannot be read is named on stderr."""
    longest: dict[str, Clip] = {}
    for source in find_sources(arguments.tracks, Selection(modality=arguments.modality)):
        try:
            clip = source.read(style)
        except GaitError as error:
            print(f"left out  {source.name}: {error}", file=sys.stderr)
            continue
        if len(clip) >= max(arguments.least, len(longest.get(source.subject, ()))):
            longest[source.subject] = clip
    return list(longest.values())


def half(clip: Clip, which: int) -> Clip:
    """The first (0) or the second half (1) of a clip."""
    middle = len(clip) // 2
    return Clip(clip.frames[:middle] if which == 0 else clip.frames[middle:], clip.modality)


def mean_pictures(clips: list[Clip]) -> NDArray[np.float32]:
    """Unit vectors of clips' mean frames, less the mean of all."""
    means = np.stack([clip.frames.mean(axis=0, dtype=np.float32).ravel() for clip in clips])
    means -= means.mean(axis=0)
    unit: NDArray[np.float32] = means / np.linalg.norm(means, axis=1, keepdims=True)
    return unit


def scored(probes: NDArray[np.float32], gallery: NDArray[np.float32]) -> Score:
    """Rank-1 of each track's second half, with an interval over tracks."""
    who = np.arange(len(probes))
    second, first = np.full(len(who), "second"), np.full(len(who), "first")
    return rank1(Embedded(probes, who, second), Embedded(gallery, who, first), len(who))


def _table(found: dict[str, object]) -> str:
    lines = [f"{found['tracks']} tracks, chance {found['chance']} %"]
    for name in ("network", "mean_picture"):
        score = Score(**found[name])  # type: ignore[arg-type]
        lines.append(f"{name:<13}{score.rank1:5.1f} %  [{score.low:.1f}, {score.high:.1f}]")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
