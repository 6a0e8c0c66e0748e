"""Embeds clips of people whose names are known, without enrolling anybody."""

from collections.abc import Callable, Sequence

import numpy as np

from gait.errors import CalibrationError, ConfigError, GaitError
from gallery.decision.fitting import LabelledClips
from gallery.enrolment.bulk import Item, Outcome, embedded
from gallery.enrolment.sources import Source
from gallery.network.encoder import Encoder
from gallery.template import Vector


def labelled_clips(
    encoder: Encoder,
    sources: Sequence[Source],
    outcome: Outcome,
    *,
    batch: int = 32,
    advance: Callable[[int], None] = lambda _: None,
) -> LabelledClips:
    """The embeddings of every clip that can be used.

    Args:
        encoder: of the model.
        sources: the clips.
        outcome: takes those that cannot be used.
        batch: clips embedded together, at least 1.
        advance: called with 1 for each clip that was read.

    Raises:
        ConfigError: `batch` is below 1.
        CalibrationError: not one clip can be used.
    """
    if batch < 1:
        raise ConfigError(f"got batches of {batch} clips, need at least 1")
    found, waiting = list[tuple[str, str, str, Vector]](), list[Item]()
    for place, source in enumerate(sources, start=1):
        try:
            waiting.append((source, source.read(encoder.range_style)))
        except GaitError as error:
            outcome.reject(source, error)
        if waiting and (len(waiting) == batch or place == len(sources)):
            for one, clip, embedding in embedded(encoder, waiting, outcome):
                found.append((one.subject, one.walk, str(clip.modality), embedding))
            waiting = []
        advance(1)
    if not found:
        raise CalibrationError(f"none of {len(sources)} clips could be used")
    subjects, walks, modalities, embeddings = zip(*found, strict=True)
    return LabelledClips(
        np.array(subjects), np.array(walks), np.array(modalities), np.stack(embeddings)
    )
