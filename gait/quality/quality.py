"""A clip's quality: what is wrong with it and how badly, and what each mode refuses."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import prod

from gait.errors import ClipQualityError

MENTIONED = 0.05
"""What is less severe than this is not mentioned."""


class Mode(StrEnum):
    """Which clips are refused."""

    OFF = "off"
    """None; the quality is reported all the same."""
    STANDARD = "standard"
    """Those of a quality under 0.1: what they show is no walking person, or is not visible."""
    STRICT = "strict"
    """Those of a quality under 0.5: enrolled, they would be poor templates."""

    @property
    def least(self) -> float:
        """The lowest quality that passes."""
        return {Mode.OFF: 0.0, Mode.STANDARD: 0.1, Mode.STRICT: 0.5}[self]


class Reason(StrEnum):
    """What may be wrong with a clip."""

    INVERTED = "inverted"
    PHOTOGRAPH = "photograph"
    TOUCHES_BORDER = "touches_border"
    NOBODY = "nobody"
    SEVERAL_PEOPLE = "several_people"
    SPECKS = "specks"
    CUT_OFF = "cut_off"
    TOO_SMALL = "too_small"
    NOT_WALKING = "not_walking"
    TOO_FEW_FRAMES = "too_few_frames"
    UNDER_ONE_CYCLE = "under_one_cycle"
    TOO_FEW_POINTS = "too_few_points"
    GROUND = "ground"
    UNKNOWN_SENSOR = "unknown_sensor"
    UPSIDE_DOWN = "upside_down"
    NOISE = "noise"
    NOT_A_PERSON = "not_a_person"

    @property
    def advice(self) -> str:
        """What is wrong and what to do about it, in words for the one who sent the clip."""
        return _ADVICE[self]


_ADVICE = {
    Reason.INVERTED: "the background is white; make the person white on black",
    Reason.PHOTOGRAPH: "photographs and no masks; segment the person first; a recording "
    "of a whole scene goes as it is to python -m capture.run, which finds the people",
    Reason.TOUCHES_BORDER: "the person touches the picture's upper or lower border; film from "
    "further away, or keep a margin when cropping",
    Reason.NOBODY: "frames without anybody; send only those that show the person",
    Reason.SEVERAL_PEOPLE: "several people in a frame; send one person's frames",
    Reason.SPECKS: "specks that are not the person; clean the masks",
    Reason.CUT_OFF: "the picture's border cuts the body; send the frames that show all of it",
    Reason.TOO_SMALL: "the person is only a few pixels tall; film from nearer",
    Reason.NOT_WALKING: "the person does not walk; send a walk",
    Reason.TOO_FEW_FRAMES: "too few frames; send 10 or more of one walk",
    Reason.UNDER_ONE_CYCLE: "less than one gait cycle; send two steps or more",
    Reason.TOO_FEW_POINTS: "too few points on the person; record from nearer or with more beams",
    Reason.GROUND: "the ground is left at the feet; take it away",
    Reason.UNKNOWN_SENSOR: "the LiDAR's raster is unknown or coarse, so thresholds may not hold; "
    "enrol by a finer one, or calibrate the gallery and enrol with quality standard",
    Reason.UPSIDE_DOWN: "the person is upside down; turn the frames",
    Reason.NOISE: "noise; send masks of one person",
    Reason.NOT_A_PERSON: "the shape is not a person's; send masks of one person",
}

OF_DROPPED = {
    "background_lit": Reason.INVERTED,
    "photograph": Reason.PHOTOGRAPH,
    "two_people": Reason.SEVERAL_PEOPLE,
    "cut_off": Reason.CUT_OFF,
    "too_small": Reason.TOO_SMALL,
    "empty": Reason.NOBODY,
    "outside_view": Reason.NOBODY,
    "too_few_points": Reason.TOO_FEW_POINTS,
}
"""What is wrong with a clip of which frames were dropped for a reason of `gait.aligned`."""


@dataclass(frozen=True)
class Quality:
    """How good a clip is.

    Args:
        severity: reason → 0..1, how much of the clip's worth it costs.
    """

    severity: Mapping[Reason, float] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """`Π (1 − severity)`: 1 if nothing is wrong, 0 if one thing makes the clip useless."""
        return prod(1.0 - each for each in self.severity.values())

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """What is wrong, the worst first."""
        wrong = [reason for reason, value in self.severity.items() if value >= MENTIONED]
        return tuple(sorted(wrong, key=lambda reason: -self.severity[reason]))

    def passes(self, mode: Mode) -> bool:
        """Whether a mode lets the clip pass."""
        return self.score >= mode.least

    def joined(self, other: "Quality") -> "Quality":
        """This quality with the reasons of another one; of one reason the worse counts."""
        severity = dict(self.severity)
        for reason, value in other.severity.items():
            severity[reason] = max(value, severity.get(reason, 0.0))
        return Quality(severity)


def require_quality(quality: Quality, mode: Mode) -> None:
    """Refuses a clip that a mode does not let pass.

    Raises:
        ClipQualityError: the quality is too low; the message says why and what to do, the fields
            `quality`, `quality_reasons`, `least` and `mode` say it to programs.
    """
    if quality.passes(mode):
        return
    raise ClipQualityError(
        f"got a clip of quality {quality.score:.2f}, the mode {mode} needs {mode.least}: "
        f"{in_words(quality.reasons)}",
        quality=round(quality.score, 3),
        quality_reasons=[str(reason) for reason in quality.reasons],
        least=mode.least,
        mode=str(mode),
    )


def in_words(reasons: Iterable[Reason]) -> str:
    """Reasons as a sentence for people."""
    return "; ".join(reason.advice for reason in reasons)
