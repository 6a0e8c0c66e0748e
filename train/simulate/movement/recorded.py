"""Recorded people: their own walks, in a simulated body with their limbs."""

import sys
from collections.abc import Iterator
from functools import partial

import numpy as np

from gait.errors import ConfigError, MotionFileError
from gait.progress import progress
from train.simulate.bodies.basis import BodyBasis
from train.simulate.bodies.body import RestBody, limb_lengths, stretch
from train.simulate.config import SimulateConfig
from train.simulate.identity import (
    Carrier,
    Identity,
    average_shape,
    sample_shape,
    standing,
)
from train.simulate.movement.motion_library import MotionLibrary, library_at

_DRAWS = 32
"""Bodies of which the one with the most fitting limbs is taken."""


def find_people(config: SimulateConfig) -> SimulateConfig:
    """Names the recorded people of a simulation and reads all their walks once.

    Files that cannot be read, and people without walks unless they were named, are left out; a
    line on stderr says of each why.

    Returns:
        The config with `people` filled in; itself when there is no recorded motion.

    Raises:
        MotionFileError: an unknown name, somebody named with too little walking, or nobody left.
        ConfigError: more people to train on than there are.
    """
    if config.motion is None:
        return config
    library = library_at(config.motion)
    unknown = [name for name in config.people if name not in library.subjects]
    if unknown:
        raise MotionFileError(
            f"{config.motion} has nobody called {unknown[0]!r}, only {', '.join(library.subjects)}",
            file=config.motion.name,
        )
    people = tuple(_walkers(library, config.people))
    while library.skipped:  # said once, however often people are looked for
        print(f"skipped: {library.skipped.pop(0)}", file=sys.stderr)
    if not people:
        raise MotionFileError(
            f"{config.motion}: nobody has walks that can be read; the reasons are above",
            file=config.motion.name,
        )
    found = config.model_copy(update={"people": people})
    if config.train is not None and config.train > len(found.subject_names):
        raise ConfigError(
            f"got {config.train} to train on, but only {len(found.subject_names)} subjects"
        )
    return found


def _walkers(library: MotionLibrary, named: tuple[str, ...]) -> Iterator[str]:
    """Reads the walks of the people named, or of all, and yields who has some."""
    people = named or library.subjects
    with progress() as display:
        bar = display.add_task("reading recorded walks", total=len(people), note="")
        for name in people:
            try:
                library.walks(name)
                yield name
            except MotionFileError as error:
                if named:
                    raise
                library.skipped.append(error)
            display.advance(bar)


def recorded_identity(
    basis: BodyBasis,
    seed: np.random.SeedSequence,
    carrier: Carrier,
    library: MotionLibrary,
    name: str,
) -> Identity:
    """A recorded person.

    The recording knows the bones and not the flesh: of several random bodies the one whose limbs
    are most alike is taken, and its limbs are then given the recorded lengths.

    Args:
        basis: the space of bodies.
        seed: of the person's body.
        carrier: as for `sample_identity`.
        library: recorded walks.
        name: who, of `library.subjects`.
    """
    move = standing if carrier == Carrier.SHAPE else partial(library.walk, name)
    changes = len(basis.local_changes)
    if carrier == Carrier.MOTION:
        return Identity(basis.shape(*average_shape(changes)), move)
    lengths = library.walks(name)[0].lengths
    rng = np.random.default_rng(seed)
    bodies = [basis.shape(*sample_shape(rng, changes)) for _ in range(_DRAWS)]
    fitting = min(bodies, key=partial(_misfit, lengths=lengths))
    return Identity(stretch(fitting, lengths), move)


def _misfit(body: RestBody, lengths: dict[str, float]) -> float:
    """Sum over limbs of the squared logarithm of how much each must be stretched."""
    own = limb_lengths(body)
    return float(sum(np.log(lengths[key] / own[key]) ** 2 for key in own if key in lengths))
