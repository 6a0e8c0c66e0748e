"""Who a simulated person is: a body and a way of walking, both from the person's own seed."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from train.simulate.bodies.basis import BodyBasis
from train.simulate.bodies.body import RestBody
from train.simulate.movement.gait_curves import sample_style
from train.simulate.movement.gait_statistics import (
    GaitStatistics,
    gait_statistics,
    sample_gait,
    walk_like,
)
from train.simulate.movement.motion import RATE, Motion
from train.simulate.movement.walking import stand, walk


class Carrier(StrEnum):
    """What carries identity. The last two are controls."""

    BOTH = "both"
    MOTION = "motion"
    """Everybody has the same body."""
    SHAPE = "shape"
    """Nobody moves."""


class GaitSource(StrEnum):
    """Where the gait of people who were not recorded comes from."""

    CURVES = "curves"
    """Published mean curves, varied."""
    STATISTICS = "statistics"
    """Principal components of recorded people's joint angles, by speed."""
    MIXED = "mixed"
    """Half of the people by one, half by the other."""


class Build(StrEnum):
    """How much bodies vary."""

    USUAL = "usual"
    WIDE = "wide"
    """From thin to very heavy, short to tall, with longer or shorter limbs."""


class Walker(Protocol):
    """How somebody walks."""

    def __call__(
        self, number: int, frames: int, rng: np.random.Generator, rate: float = RATE
    ) -> Motion:
        """Makes a walk from its number (0 is the gallery's), frames, the randomness of this walk,
        and the frames a second."""
        ...


@dataclass(frozen=True, eq=False)
class Identity:
    """One person.

    Args:
        body: at rest, undressed.
        move: how this person walks.
    """

    body: RestBody
    move: Walker


def sample_identity(
    basis: BodyBasis,
    seed: np.random.SeedSequence,
    carrier: Carrier,
    gait: GaitSource = GaitSource.CURVES,
    build: Build = Build.USUAL,
    statistics: GaitStatistics | None = None,
) -> Identity:
    """Draws a person. Body and style come from separate streams of the same seed.

    Args:
        basis: the space of bodies.
        seed: of the person.
        carrier: what tells people apart.
        gait: what the person walks by.
        build: how much bodies vary.
        statistics: of recorded people's gait; the package's if not given.
    """
    shape, style = (np.random.default_rng(child) for child in seed.spawn(2))
    phenotypes, changes = sample_shape(shape, len(basis.local_changes), build)
    if carrier == Carrier.MOTION:
        phenotypes, changes = average_shape(len(basis.local_changes))
    body = basis.shape(phenotypes, changes)
    if carrier == Carrier.SHAPE:
        return Identity(body, standing)
    if gait == GaitSource.MIXED:
        gait = GaitSource.STATISTICS if style.random() < 0.5 else GaitSource.CURVES
    if gait == GaitSource.STATISTICS:
        return Identity(body, drawn_walker(body, style, statistics or gait_statistics()))
    return Identity(body, stylist(body, style))


def stylist(body: RestBody, rng: np.random.Generator) -> Walker:
    """Walks by the built-in gait curves, in a style drawn from `rng`."""
    style, leg_length = sample_style(rng), body.leg_length

    def move(
        number: int,  # noqa: ARG001
        frames: int,
        rng: np.random.Generator,
        rate: float = RATE,
    ) -> Motion:
        return walk(style, rng, frames=frames, rate=rate, leg_length=leg_length)

    return move


def drawn_walker(body: RestBody, rng: np.random.Generator, statistics: GaitStatistics) -> Walker:
    """Walks by the statistics of recorded people, in a gait drawn from `rng`."""
    gait, leg_length = sample_gait(statistics, rng), body.leg_length

    def move(
        number: int,  # noqa: ARG001
        frames: int,
        rng: np.random.Generator,
        rate: float = RATE,
    ) -> Motion:
        return walk_like(gait, statistics, rng, frames=frames, rate=rate, leg_length=leg_length)

    return move


def standing(
    number: int,  # noqa: ARG001
    frames: int,
    rng: np.random.Generator,  # noqa: ARG001
    rate: float = RATE,
) -> Motion:
    """Stands still, whatever the walk."""
    return stand(frames, rate)


def average_shape(changes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Phenotypes and local changes of the mean adult."""
    return np.array([0.5, 0.8, 0.5, 0.5, 0.38, 0.5]), np.zeros(changes)


def sample_shape(
    rng: np.random.Generator, changes: int, build: Build = Build.USUAL
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Phenotypes (in the order of `PHENOTYPES`) and local changes of a random adult.

    Height 0.38 ± 0.07 is about 1.76 ± 0.08 m for men and 1.63 ± 0.08 m for women.
    """
    wider = 1.0 if build == Build.USUAL else 1.5
    gender = np.clip(rng.choice([0.1, 0.9]) + 0.1 * rng.standard_normal(), 0, 1)
    age = rng.uniform(2 / 3, 0.92)
    muscle, weight = np.clip(rng.normal(0.5, 0.17 * wider, 2), 0.1, 0.95)
    height = np.clip(rng.normal(0.38, 0.07 * wider), 0.2, 0.58)
    proportions = rng.uniform(0.2, 0.9)
    local = np.clip(rng.normal(0, 0.25 * wider, changes), -0.8, 0.8)
    return np.array([gender, age, muscle, weight, height, proportions]), local
