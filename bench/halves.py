"""How well a bundle finds the second half of a track from its first half, or thirds and quarters.

python -m bench.halves tracks --bundle bundle [--pieces 3]

Tracks of real people have no names, but all pieces of one are the same person. Nobody else is
told apart from them by where and when: this is easier than finding a person on another day. A mean
picture with the nearest neighbour is scored beside: a network that does not beat it has learned
nothing that holds on these people. From mean pictures the mean of all tracks is taken away; so the
network is scored both as it is and likewise, as with a site's own mean (`gallery.centre`).
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import tyro

from bench.measuring.options import Bundle, Json, OutFile
from bench.sensors.rank import Score, Vectors
from gait.cli import run
from gait.clip import Clip
from gait.errors import ConfigError, EvaluationError, GaitError
from gait.modality import Modality
from gait.open_set import over_people
from gait.range_style import RangeStyle
from gallery.enrolment.sources import Selection, find_sources
from gallery.network.encoder import Encoder
from train.storage import write_atomically


@dataclass(frozen=True)
class Arguments:
    """Ranks later pieces of tracks among earlier ones."""

    tracks: tyro.conf.Positional[Path]
    """Folder <track>/<clip file>; of a track with several clips the longest is taken."""
    bundle: Bundle
    modality: Modality = Modality.SILHOUETTE
    least: int = 20
    """Frames of a track; shorter ones are left out."""
    pieces: int = 2
    """Into how many each track is cut; each is looked for among every earlier one."""
    out: OutFile = None
    json: Json = False


def main() -> None:
    """Measures as the command line says."""
    arguments = tyro.cli(
        Arguments, prog="python -m bench.halves", config=(tyro.conf.EnumChoicesFromValues,)
    )
    encoder = Encoder.load(arguments.bundle)
    if not 2 <= arguments.pieces <= arguments.least:
        raise ConfigError(
            f"got {arguments.pieces} pieces, need two or more, and no more than the "
            f"{arguments.least} frames of the shortest track"
        )
    clips = tracks(arguments, encoder.range_style)
    if len(clips) < 2:
        raise EvaluationError(f"got {len(clips)} tracks of {arguments.least} frames, need two")
    cut = [[piece(clip, k, arguments.pieces) for clip in clips] for k in range(arguments.pieces)]
    embeddings = [encoder.embed(clips) for clips in cut]
    found = {
        "tracks": len(clips),
        "pieces": arguments.pieces,
        "frames": int(np.median([len(clip) for clip in clips])),
        "contract": encoder.contract,
        "chance": round(100 / len(clips), 1),
        "network": asdict(scored(embeddings)),
        "network_less_mean": asdict(scored(less_mean(embeddings))),
        "mean_picture": asdict(scored(less_mean([mean_pictures(clips) for clips in cut]))),
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


def piece(clip: Clip, which: int, pieces: int) -> Clip:
    """One of as many equal pieces of a clip, from 0."""
    start, stop = (len(clip) * k // pieces for k in (which, which + 1))
    return Clip(clip.frames[start:stop], clip.modality)


def mean_pictures(clips: list[Clip]) -> Vectors:
    """Clips' mean frames as vectors `(n, d)`."""
    return np.stack([clip.frames.mean(axis=0, dtype=np.float32).ravel() for clip in clips])


def less_mean(pieces: Sequence[Vectors]) -> list[Vectors]:
    """Unit vectors of what differs from the mean of all tracks, piece by piece."""
    differing = [vectors - vectors.mean(axis=0) for vectors in pieces]
    return [vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in differing]


def scored(pieces: Sequence[Vectors]) -> Score:
    """Rank-1 of each track's later pieces among every earlier one, with an interval over tracks."""
    tracks = np.arange(len(pieces[0]))
    pairs = list(combinations(pieces, 2))
    right = [(later @ earlier.T).argmax(axis=1) == tracks for earlier, later in pairs]
    rates = over_people(np.concatenate(right), np.tile(tracks, len(pairs)))
    found, low, high = (round(100 * rate, 1) for rate in rates)
    return Score(found, low, high, len(tracks) * len(pairs))


def _table(found: dict[str, object]) -> str:
    lines = [f"{found['tracks']} tracks, chance {found['chance']} %"]
    for name in ("network", "network_less_mean", "mean_picture"):
        score = Score(**found[name])  # type: ignore[arg-type]
        lines.append(f"{name:<18}{score.rank1:5.1f} %  [{score.low:.1f}, {score.high:.1f}]")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
