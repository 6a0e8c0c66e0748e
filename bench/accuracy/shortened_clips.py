"""Quality against error: probes cut to fewer and fewer frames."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from bench.accuracy.open_searches import USUAL_SIZE, rows_of
from gait.clip import Clip
from gait.modality import Modality
from gait.quality.judge import judge_clip
from gait.quality.quality import Mode
from gait.range_style import RangeStyle
from gallery.decision.calibration import Calibration
from gallery.decision.fitting import LabelledClips
from gallery.enrolment.bulk import Outcome
from gallery.enrolment.labelled import labelled_clips
from gallery.enrolment.sources import Source
from gallery.network.encoder import Encoder
from gallery.search.cohort import Cohort

FRAMES = (3, 5, 8, 12, 16)


@dataclass(frozen=True)
class Shortened:
    """Probes of so many frames.

    Args:
        pair: of which sensors.
        frames: of each probe.
        quality: of them, mean.
        refused: share of them that the mode `standard` refuses, percent.
        fnir: at FPIR 1 % among `USUAL_SIZE` people, percent, none of them refused.
    """

    pair: str
    frames: int
    quality: float
    refused: float
    fnir: float


def shortened(
    encoder: Encoder,
    sources: Sequence[Source],
    clips: LabelledClips,
    calibration: Calibration,
    templates: int,
    cohort: Cohort | None,
) -> Iterator[Shortened]:
    """Measures probes cut to their middle frames, people enrolled by whole clips.

    Args:
        encoder: of the model.
        sources: where `clips` come from.
        clips: embedded, of people who did not calibrate.
        calibration: whose threshold is used.
        templates: of each person.
        cohort: that normalises similarities, those of `clips` too.
    """
    later = clips.later()
    probes = set(zip(clips.subjects[later], clips.sessions[later], strict=True))
    chosen = [each for each in sources if (each.subject, each.walk) in probes]
    for frames in FRAMES:
        judged = dict[Modality, list[float]]()
        cut = [
            Source(each.subject, each.name, each.walk, partial(_cut, each, frames, judged))
            for each in chosen
        ]
        short = labelled_clips(encoder, cut, Outcome()).normalised(cohort)
        mixed = clips.only(~later).and_also(short)
        for probe in Modality:
            rows = rows_of(
                mixed, calibration, probe, probe.counterpart.value, templates, [USUAL_SIZE]
            )
            missed = next((r.fnir for r in rows if r.target == 0.01), None)
            if missed is not None:
                quality = np.array(judged[probe])
                yield Shortened(
                    pair=f"{probe} → {probe.counterpart}",
                    frames=frames,
                    quality=round(float(quality.mean()), 4),
                    refused=100 * float((quality < Mode.STANDARD.least).mean()),
                    fnir=missed,
                )


def _cut(
    source: Source, frames: int, judged: dict[Modality, list[float]], style: RangeStyle
) -> Clip:
    clip = source.read(style)
    start = max(0, (len(clip) - frames) // 2)
    clip = Clip(clip.frames[start : start + frames], clip.modality)
    judged.setdefault(clip.modality, []).append(judge_clip(clip).score)
    return clip
