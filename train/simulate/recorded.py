"""Recorded people: their own walks, in a simulated body with their limbs."""

from functools import partial

import numpy as np

from gait.errors import ConfigError, MotionFileError
from gait.progress import progress
from train.simulate.basis import BodyBasis
from train.simulate.body import RestBody, limb_lengths, stretch
from train.simulate.config import SimulateConfig
from train.simulate.identity import (
    Carrier,
    Identity,
    average_shape,
    sample_shape,
    standing,
)
from train.simulate.motion_library import MotionLibrary, library_at

_DRAWS = 32
"""Bodies of which the one with the most fitting limbs is taken."""


def find_people(config: SimulateConfig) -> SimulateConfig:
    """Names the recorded people of a simulation and reads all their walks once.

    Returns:
        The config with `people` filled in; itself when there is no recorded motion.

    Raises:
        MotionFileError: an unknown name, a malformed file, or somebody with too little walking.
        ConfigError: more people to train on than there are.
    """
    if config.motion is None:
        return config
    library = library_at(config.motion)
    people = config.people or library.subjects
    found = config.model_copy(update={"people": people})
    if config.train is not None and config.train > len(found.subject_names):
        raise ConfigError(
            f"got {config.train} to train on, but only {len(found.subject_names)} subjects"
        )
    with progress() as display:
        bar = display.add_task("reading recorded walks", total=len(people), note="")
        for name in people:
            if name not in library.subjects:
                raise MotionFileError(
                    f"{config.motion} has nobody called {name!r}, only "
                    f"{', '.join(library.subjects)}",
                    file=config.motion.name,
                )
            library.walks(name)
            display.advance(bar)
    return found


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
    move = standing if carrier is Carrier.SHAPE else partial(library.walk, name)
    changes = len(basis.local_changes)
    if carrier is Carrier.MOTION:
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
