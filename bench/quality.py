"""How often good clips are refused, and what is told from people.

python -m bench.quality WALKERS [WALKERS ...] [--json]

WALKERS are datasets of `train.simulate` (other people than the table of shapes was measured on), or
folders of clip files. Each clip is judged whole and cut to its middle ten frames, as the shortest
good clip.
"""

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from bench.measuring.options import Json
from gait.cli import run
from gait.clip import Clip
from gait.decode import decode_clip
from gait.decode.folder import is_clip_name
from gait.errors import ClipError
from gait.modality import Modality
from gait.quality.judge import judge_clip
from gait.quality.quality import Mode
from gait.sustech1k import find_sequences, load_clip

SHORT = 10


@dataclass(frozen=True)
class Rate:
    """How many of the clips of one kind were refused.

    Args:
        clips: which: where from, modality, how long.
        judged: how many.
        standard, strict: how many of them that mode refuses.
        reasons: reason → clips with it.
        refused: reason → clips that `standard` refuses with it.
        milliseconds: processor time of a clip, mean.
    """

    clips: str
    judged: int
    standard: int
    strict: int
    reasons: dict[str, int]
    refused: dict[str, int]
    milliseconds: float


def main(walkers: Annotated[tuple[Path, ...], tyro.conf.Positional], as_json: Json = False) -> None:
    """Judges every clip of at least ten frames, and prints rates."""
    rates = [rate for root in walkers for rate in _rates_of(root)]
    if as_json:
        print(json.dumps([asdict(rate) for rate in rates], indent=1))
        return
    for each in rates:
        print(_row(each))


def rate(name: str, clips: Iterable[Clip]) -> Rate:
    """Judges clips."""
    judged = standard = strict = 0
    reasons, refused, took = Counter[str](), Counter[str](), 0.0
    for clip in clips:
        started = time.process_time()
        quality = judge_clip(clip)
        took += time.process_time() - started
        judged += 1
        standard += not quality.passes(Mode.STANDARD)
        strict += not quality.passes(Mode.STRICT)
        reasons.update(map(str, quality.reasons))
        if not quality.passes(Mode.STANDARD):
            refused.update(map(str, quality.reasons))
    spent = 1e3 * took / max(judged, 1)
    return Rate(name, judged, standard, strict, dict(reasons), dict(refused), round(spent, 3))


def _rates_of(root: Path) -> Iterator[Rate]:
    for modality in Modality:
        clips = [clip for clip in _clips(root, modality) if len(clip) >= SHORT]
        if clips:
            yield rate(f"{root.name} {modality} whole", clips)
            yield rate(f"{root.name} {modality} of {SHORT} frames", map(_middle, clips))


def _clips(root: Path, modality: Modality) -> Iterator[Clip]:
    files = [each for each in sorted(root.iterdir()) if is_clip_name(each.name)]
    for file in files:
        clip = decode_clip(file.read_bytes()).clip
        if clip.modality is modality:
            yield clip
    for sequence in [] if files else find_sequences(root):
        try:
            yield load_clip(sequence, modality)
        except ClipError:
            continue  # no frame: the sensor lost the person


def _middle(clip: Clip) -> Clip:
    start = (len(clip) - SHORT) // 2
    return Clip(clip.frames[start : start + SHORT], clip.modality)


def _row(rate: Rate) -> str:
    shown = ", ".join(f"{reason} {count}" for reason, count in sorted(rate.reasons.items()))
    low, high = _interval(rate.standard, rate.judged)
    return (
        f"{rate.clips}: {rate.judged} clips, refused by standard {rate.standard} "
        f"(95 % interval {100 * low:.2f} to {100 * high:.2f} %), by strict {rate.strict}; "
        f"{rate.milliseconds:.2f} ms; {shown or 'no reason'}"
    )


def _interval(hits: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share, as if clips were independent."""
    z, share = 1.96, hits / of
    middle = share + z * z / (2 * of)
    reach = z * np.sqrt(share * (1 - share) / of + (z / (2 * of)) ** 2)
    return max(0.0, (middle - reach) / (1 + z * z / of)), (middle + reach) / (1 + z * z / of)


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m bench.quality", description=__doc__))
