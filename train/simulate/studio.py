"""From options to sequences: who walks, how, and what is seen. All randomness has stable keys."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gait.lidar import find_sensor
from train.simulate.bodies.anny_body import basis_file
from train.simulate.bodies.basis import BodyBasis
from train.simulate.bodies.capsules import capsule_basis
from train.simulate.conditions import Clothes, Condition
from train.simulate.config import SimulateConfig, conditions_of
from train.simulate.identity import Identity, sample_identity
from train.simulate.movement.gait_statistics import GaitStatistics, gait_statistics
from train.simulate.movement.motion import RATE
from train.simulate.movement.motion_library import library_at
from train.simulate.movement.recorded import recorded_identity
from train.simulate.sensors.rig import RigAt, draw_rate, draw_rig, one_rig, with_lidar
from train.simulate.sensors.scene import VIEWS, Sensors
from train.simulate.walk import Sighting, observe

_PERSON, _WALK, _VIEWS, _CLOTHES = range(4)


@dataclass(frozen=True, eq=False)
class Take:
    """A sequence as simulated: its type, its view and what was seen."""

    type: str
    view: str
    sighting: Sighting


@dataclass(frozen=True, eq=False)
class Studio:
    """Everything that sequences are made of.

    Args:
        config: what to simulate, `people` filled in.
        basis: the space of bodies.
        statistics: of gait, from which those walk who are drawn from any.
    """

    config: SimulateConfig
    basis: BodyBasis
    statistics: GaitStatistics

    def subject(self, index: int) -> Iterator[Take]:
        """Simulates one subject, type by type and view by view."""
        person = self.person(index)
        for type_ in self.config.types:
            for view in self.views(index, type_):
                yield self.film(person, index, type_, view)

    def views(self, index: int, type: str) -> tuple[str, ...]:
        """The views from which a subject's walk is seen, in the order of the config."""
        every, each = self.config.views, self.config.views_each
        if each is None or each >= len(every):
            return every
        number, conditions, _ = _key(type, every[0])
        rng = self._rng(_VIEWS, index, number, conditions)
        return tuple(every[k] for k in np.sort(rng.permutation(len(every))[:each]))

    def person(self, index: int) -> Identity:
        """A subject's body and way of walking, from the seed and who it is alone."""
        config = self.config
        key = (_PERSON, _number(config.subject_names[index]))
        seed = np.random.SeedSequence(config.seed, spawn_key=key)
        recorded = index - config.built_in
        if recorded < 0 or config.motion is None:
            return sample_identity(
                self.basis, seed, config.identity, config.gait, config.build, self.statistics
            )
        library, name = library_at(config.motion), config.people[recorded]
        return recorded_identity(self.basis, seed, config.identity, library, name)

    def film(self, person: Identity, index: int, type: str, view: str) -> Take:
        """Simulates one sequence; what is not identity is seeded by subject, type and view."""
        config, number = self.config, _key(type, view)[0]
        rng = self._rng(_WALK, index, *_key(type, view))
        drawn = config.sensors == Sensors.DRAWN and number < config.walks
        rate = draw_rate(rng) if drawn else RATE
        seen = observe(
            person.body,
            person.move(number, config.frames, rng, rate),
            VIEWS[view],
            conditions_of(type),
            config.distance,
            rng,
            self._rig_at(number),
            *self._worn(index, number),
            style=config.range_style,
        )
        return Take(type, view, seen)

    def _rig_at(self, number: int) -> RigAt:
        """The sensors of a walk."""
        if number >= self.config.walks:
            return one_rig
        rig_at = draw_rig if self.config.sensors == Sensors.DRAWN else one_rig
        lidar = self.config.lidar
        return rig_at if lidar is None else with_lidar(rig_at, find_sensor(lidar))

    def _worn(self, index: int, number: int) -> tuple[Clothes, np.random.Generator | None]:
        """How much clothes vary on a walk, and where clothes come from that stay the same."""
        clothes, further = self.config.clothes, number - self.config.walks
        if further >= 0 and further % 2 == 0:
            return Clothes.USUAL, None
        own = further >= 0 or clothes == Clothes.OWN
        return clothes, self._rng(_CLOTHES, index) if own else None

    def _rng(self, purpose: int, index: int, *key: int) -> np.random.Generator:
        """Randomness of a subject for a purpose: the same whoever else is simulated."""
        key = (purpose, _number(self.config.subject_names[index]), *key)
        return np.random.default_rng(np.random.SeedSequence(self.config.seed, spawn_key=key))


def open_studio(config: SimulateConfig) -> Studio:
    """Loads the bodies, the first time after building them, and the statistics of gait.

    Raises:
        MotionFileError: as `statistics_of`.
    """
    statistics, stick_figures = statistics_of(config), config.body == "capsules"
    basis = capsule_basis() if stick_figures else BodyBasis.load(basis_file())
    return Studio(config, basis, statistics)


def statistics_of(config: SimulateConfig) -> GaitStatistics:
    """Those that people's gait is drawn from.

    Raises:
        MotionFileError: as `GaitStatistics.load`.
    """
    table = config.gait_table
    return gait_statistics() if table is None else GaitStatistics.load(table)


def _number(subject: str) -> int:
    """A subject's own number, whoever else is simulated."""
    return int(subject) if subject.isdigit() else 10_000 + zlib.crc32(subject.encode())


def _key(type: str, view: str) -> tuple[int, int, int]:
    """Numbers of a walk, its conditions and its view: the same whatever else is simulated."""
    number = int(type.partition("-")[0])
    conditions = sum(1 << list(Condition).index(c) for c in conditions_of(type))
    return number, conditions, list(VIEWS).index(view)
