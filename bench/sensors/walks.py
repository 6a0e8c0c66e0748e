"""Walks of people whom no model was trained on, as each sensor sees them; kept between calls."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.sensors.variants import Variant
from gait.clip import Clip
from gait.decode.clip import decode_clip
from gait.errors import ClipError
from gait.modality import SIZE, Modality
from gait.progress import progress
from gait.range_style import RangeStyle
from train.simulate.config import VERSION, SimulateConfig
from train.simulate.identity import Build, GaitSource, Identity
from train.simulate.sensors.scene import VIEWS as ANGLES
from train.simulate.studio import Studio, open_studio
from train.simulate.walk import observe
from train.storage import write_atomically

VIEWS = ("045", "090", "225", "315")
DISTANCES = (5.0, 12.0)
"""Metres: a LiDAR of 16 beams has no four rows on a person further away."""
SEED = 7001
"""Of these people; presets use smaller ones."""

_READ = 3
"""Of how walks are read; with another one, walks that are kept are made again."""

ENROLLED, PROBE = 0, 1
"""Numbers of each person's two walks."""


def people(count: int) -> tuple[Studio, list[Identity]]:
    """So many people: bodies and gaits as wide as training's, of another seed."""
    config = SimulateConfig(
        subjects=count, build=Build.WIDE, gait=GaitSource.MIXED, views=VIEWS, seed=SEED
    )
    studio = open_studio(config)
    return studio, [studio.person(index) for index in range(count)]


def walks(
    variant: Variant,
    name: str,
    number: int,
    count: int,
    kept: Path,
    style: RangeStyle = RangeStyle.BINS,
) -> tuple[list[Clip], NDArray[np.intp], NDArray[np.str_]]:
    """One walk of each person from each view, as a variant sees it.

    Args:
        variant: the sensor.
        name: of the variant.
        number: which walk.
        count: of people.
        kept: folder in which walks are looked for and kept, by the variant and all of its values.
            Whoever changes how frames are aligned has to raise `_READ`.
        style: how points are drawn.

    Returns:
        Clips, the person of each, and the view. What a sensor does not see, or decoding refuses, is
        left out.
    """
    words = "".join(letter if letter.isalnum() else "-" for letter in name)
    values = f"{variant} {SEED} {VIEWS} {DISTANCES} {_READ}"
    if style is not RangeStyle.BINS:
        values += f" {style}"
    digest = hashlib.sha256(values.encode()).hexdigest()[:8]
    file = kept / f"{words}-{number}-{count}-{VERSION}-{digest}.npz"
    if not file.exists():
        _make(variant, name, number, count, file, style)
    with np.load(file, allow_pickle=False) as held:
        lengths, frames = held["lengths"], held["frames"]
        ends = np.cumsum(lengths)
        clips = [Clip(part, variant.modality) for part in np.split(frames, ends[:-1]) if len(part)]
        return clips, held["people"], held["views"]


def _make(
    variant: Variant, name: str, number: int, count: int, file: Path, style: RangeStyle
) -> None:
    studio, everyone = people(count)
    frames, who, views = [], [], []
    with progress() as bar:
        task = bar.add_task("simulating", total=count, note=name)
        for index, person in enumerate(everyone):
            for view, seen in _seen(studio, person, index, number, variant, style):
                if len(seen):
                    frames.append(seen)
                    who.append(index)
                    views.append(view)
            bar.advance(task)
    held = io.BytesIO()
    np.savez_compressed(
        held,
        frames=np.concatenate(frames),
        lengths=np.array([len(each) for each in frames]),
        people=np.array(who),
        views=np.array(views),
    )
    write_atomically(file, held.getbuffer())


def _seen(
    studio: Studio,
    person: Identity,
    index: int,
    number: int,
    variant: Variant,
    style: RangeStyle,
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """The same walk, path and noise for every variant, as far as these do not depend on it."""
    for place, view in enumerate(studio.config.views):
        key = np.random.SeedSequence(SEED, spawn_key=(9, index, number, place))
        motion_seed, walk_seed = key.spawn(2)
        motion = person.move(
            number, variant.frames, np.random.default_rng(motion_seed), variant.rate
        )
        sighting = observe(
            person.body,
            motion,
            ANGLES[view],
            (),
            DISTANCES,
            np.random.default_rng(walk_seed),
            variant.at,
        )
        if variant.modality is Modality.SILHOUETTE:
            yield view, sighting.silhouettes[:, None]
        else:
            yield view, _decoded(sighting.measured, style)


def _decoded(clouds: list[NDArray[np.float64]], style: RangeStyle) -> NDArray[np.uint8]:
    """The frames of a clip file of such clouds, as float32 and with all that is in them; none if it
    is refused."""
    file = io.BytesIO()
    np.savez(file, *(cloud.astype(np.float32) for cloud in clouds))
    try:
        return decode_clip(file.getvalue(), modality=Modality.RANGE_VIEW, style=style).clip.frames
    except ClipError:
        return np.zeros((0, Modality.RANGE_VIEW.channels, SIZE, SIZE), np.uint8)
