"""All sequences of one simulated subject. Everything random comes from stable keys."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from train.simulate.basis import BodyBasis
from train.simulate.conditions import Condition
from train.simulate.config import SimulateConfig, conditions_of
from train.simulate.gait_curves import stand, walk
from train.simulate.identity import Identity, sample_identity
from train.simulate.motion import Motion
from train.simulate.scene import VIEWS
from train.simulate.walk import RATE, Sighting, observe

_PERSON, _WALK = 0, 1


@dataclass(frozen=True, eq=False)
class Taken:
    """A sequence as simulated: its type, its view and what was seen."""

    type: str
    view: str
    sighting: Sighting


def film_subject(config: SimulateConfig, basis: BodyBasis, index: int) -> Iterator[Taken]:
    """Simulates one subject, type by type and view by view.

    Args:
        config: what to simulate.
        basis: the space of bodies.
        index: of the subject.
    """
    person = person_of(config, basis, index)
    for type_ in config.types:
        for view in config.views:
            yield film(config, person, index, type_, view)


def person_of(config: SimulateConfig, basis: BodyBasis, index: int) -> Identity:
    """The subject's body and style, from the seed and the subject's index alone."""
    seed = np.random.SeedSequence(config.seed, spawn_key=(_PERSON, index))
    return sample_identity(basis, seed, config.identity)


def film(config: SimulateConfig, person: Identity, index: int, type: str, view: str) -> Taken:
    """Simulates one sequence; its nuisance is seeded by subject, type and view, not by identity."""
    rng = np.random.default_rng(
        np.random.SeedSequence(config.seed, spawn_key=(_WALK, index, *_key(type, view)))
    )
    motion = _move(person, config.frames, rng)
    sighting = observe(person.body, motion, VIEWS[view], conditions_of(type), config.distance, rng)
    return Taken(type, view, sighting)


def _move(person: Identity, frames: int, rng: np.random.Generator) -> Motion:
    if person.style is None:
        return stand(frames, RATE)
    length = person.body.leg_length
    return walk(person.style, rng, frames=frames, rate=RATE, leg_length=length)


def _key(type: str, view: str) -> tuple[int, int, int]:
    """Numbers of a walk, its conditions and its view: the same whatever else is simulated."""
    walk_number = int(type.partition("-")[0])
    conditions = sum(1 << list(Condition).index(c) for c in conditions_of(type))
    return walk_number, conditions, list(VIEWS).index(view)
