"""What to simulate."""

import hashlib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gait.errors import MotionFileError
from gait.lidar import find_sensor
from gait.range_style import RangeStyle
from train.simulate.conditions import Clothes, Condition
from train.simulate.identity import Build, Carrier, GaitSource
from train.simulate.sensors.scene import CLOSEST, VIEWS, Sensors

VERSION = 2
"""Of what is simulated: raised whenever the same options give other sequences than before."""

CONDITIONS = tuple(condition.value for condition in Condition)


class SimulateConfig(BaseModel):
    """Options of a simulation. The same options give the same bytes, whatever the machine's cores.

    The gallery type `00-nm` is always made; each further walk is made in every condition:
    `01-nm`, `01-bg`, …, then `02-nm`, ….
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    subjects: int | None = Field(default=None, ge=0, le=9999)
    """How many people who walk by gait curves; if not given 64, or none beside recorded ones."""
    train: int | None = Field(default=None, ge=0)
    """How many people, the first, are in TRAIN_SET; three quarters if not given."""
    conditions: tuple[str, ...] = CONDITIONS
    """Of nm bg cl cr ub uf oc nt; joined ones such as cr-uf are possible."""
    walks: int = Field(default=2, ge=1, le=99)
    """Walks of each subject; the first is the gallery's."""
    studio_walks: int = Field(default=0, ge=0)
    """Further plain walks of each subject, recorded as in a studio: by the one LiDAR and camera,
    whatever `sensors` says, in light clothes and in clothes of their own by turns."""
    views: tuple[str, ...] = tuple(VIEWS)
    """Of SUSTech1K's twelve."""
    views_each: int | None = Field(default=None, ge=1)
    """From how many of the views each walk is seen, other ones for each; all if not given."""
    frames: int = Field(default=24, ge=1, le=600)
    """Frames of a sequence, at 10 Hz or the drawn rate of the sensors; fewer are written where a
    sensor loses the person."""
    sensors: Sensors = Sensors.ONE
    """One LiDAR and one camera for all sequences, or others for each."""
    lidar: str | None = Field(default=None, exclude_if=lambda name: name is None)
    """A LiDAR in place of the one, or of those drawn, but for studio walks: a name of `gait.lidar`,
    or a YAML file that describes your own."""
    distance: tuple[float, float] = (4.0, 20.0)
    """Nearest and farthest, metres."""
    identity: Carrier = Carrier.BOTH
    """What tells people apart: both, or as a control only their motion or only their shape."""
    gait: GaitSource = GaitSource.CURVES
    """How people walk who were not recorded: by published curves, or by the statistics of recorded
    people's joint angles, or half of them each."""
    gait_table: Path | None = Field(default=None, exclude_if=lambda path: path is None)
    """With the gait statistics or mixed: the table that walkers are drawn from, a file of
    `python -m train.simulate.measure_gait`; the package's if not given."""
    clothes: Clothes = Clothes.USUAL
    """How much clothes vary where the condition does not say what is worn."""
    build: Build = Build.USUAL
    """How much bodies vary."""
    body: Literal["anny", "capsules"] = "anny"
    """Anny's people, or stick figures that need no build."""
    motion: Path | None = None
    """Folder or .tar.gz of ASF/AMC or BVH files: people whose walks were recorded."""
    people: tuple[str, ...] = ()
    """Names of the recorded people to take; all of them if not given."""
    range_style: RangeStyle = Field(
        default=RangeStyle.BINS, exclude_if=lambda style: style == RangeStyle.BINS
    )
    """How range views are drawn: scatter as SUSTech1K's own files are."""
    points: bool = True
    """Write the point clouds too; they take most of the space."""
    seed: int = Field(default=0, ge=0)

    @field_validator("conditions")
    @classmethod
    def _known_conditions(cls, conditions: tuple[str, ...]) -> tuple[str, ...]:
        for joined in conditions:
            for condition in joined.split("-"):
                if condition not in CONDITIONS:
                    raise ValueError(f"got condition {condition!r}, need one of {CONDITIONS}")
        return _all_different(conditions)

    @field_validator("lidar")
    @classmethod
    def _known_lidar(cls, lidar: str | None) -> str | None:
        if lidar is not None:
            find_sensor(lidar)
        return lidar

    @field_validator("views")
    @classmethod
    def _known_views(cls, views: tuple[str, ...]) -> tuple[str, ...]:
        for view in views:
            if view not in VIEWS:
                raise ValueError(f"got view {view!r}, need one of {tuple(VIEWS)}")
        return _all_different(views)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.motion is None and (self.people or not self.built_in):
            raise ValueError("got nobody, or people without the motion that was recorded of them")
        unused = self.gait == GaitSource.CURVES or not self.built_in
        if self.gait_table is not None and (unused or self.identity == Carrier.SHAPE):
            raise ValueError(
                "got a gait_table, but nobody walks by it: it is for gait statistics or mixed, for "
                "people who are drawn, and who walk"
            )
        if len(set(self.people)) < len(self.people):
            raise ValueError(f"got people {self.people}, need all different")
        count = len(self.subject_names)
        known = self.motion is None or self.people
        if self.train is not None and self.train > count and known:
            raise ValueError(f"got {self.train} to train on, but only {count} subjects")
        if self.walks + self.studio_walks > 100:
            raise ValueError(f"got {self.walks} and {self.studio_walks} walks, need 100 at most")
        if not CLOSEST < self.distance[0] < self.distance[1] <= 100:
            raise ValueError(f"got distances {self.distance}, need {CLOSEST:g} < MIN < MAX <= 100")
        return self

    @property
    def built_in(self) -> int:
        """How many people walk by the built-in gait curves."""
        if self.subjects is not None:
            return self.subjects
        return 64 if self.motion is None else 0

    @property
    def subject_names(self) -> tuple[str, ...]:
        """`0000`, `0001`, …, then the recorded people: `mocap-02`, …"""
        walkers = (f"{index:04d}" for index in range(self.built_in))
        return (*walkers, *(f"mocap-{name}" for name in self.people))

    @property
    def arguments(self) -> dict[str, Any]:
        """All options as JSON has them, a table and a LiDAR by their contents: they decide what is
        simulated.

        Raises:
            MotionFileError: the table cannot be read.
        """
        found = self.model_dump(mode="json")
        if self.gait_table is not None:
            try:
                content = self.gait_table.read_bytes()
            except OSError as error:
                raise MotionFileError(
                    f"{self.gait_table} cannot be read: {error}", file=self.gait_table.name
                ) from error
            found["gait_table"] = hashlib.sha256(content).hexdigest()
        if self.lidar is not None:
            found["lidar"] = find_sensor(self.lidar).model_dump(mode="json")
        return found

    @property
    def types(self) -> tuple[str, ...]:
        """`00-nm`, `01-nm`, `01-bg`, …"""
        later = (f"{walk:02d}-{c}" for walk in range(1, self.walks) for c in self.conditions)
        studio = (f"{self.walks + k:02d}-nm" for k in range(self.studio_walks))
        return ("00-nm", *later, *studio)

    @property
    def partition(self) -> dict[str, list[str]]:
        """`TRAIN_SET` and `TEST_SET`, as SUSTech1K's JSON has them."""
        names = list(self.subject_names)
        count = round(0.75 * len(names)) if self.train is None else self.train
        return {"TRAIN_SET": names[:count], "TEST_SET": names[count:]}


def conditions_of(type: str) -> tuple[Condition, ...]:
    """`01-cr-uf` → carrying and uniform."""
    return tuple(Condition(part) for part in type.split("-")[1:])


def _all_different(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values or len(set(values)) < len(values):
        raise ValueError(f"got {values}, need one or more, all different")
    return values
