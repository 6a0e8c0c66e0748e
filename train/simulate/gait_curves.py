"""Built-in walking: joint-angle curves of normal gait, varied between and within people.

Sagittal hip, knee and foot curves follow D. A. Winter, "The Biomechanics and Motor Control of
Human Gait" (1991), natural cadence; pelvis, trunk and frontal-plane curves J. Perry, "Gait
Analysis" (1992); arm swing M. P. Murray et al., "Patterns of sagittal rotation of the upper limbs
in walking" (1967). Rounded to degrees at every twentieth of the cycle, which begins when the
same side's heel strikes, and kept as Fourier series.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from train.simulate.motion import SEGMENTS, Motion
from train.simulate.rotation import about

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

about_x, about_y, about_z = (partial(about, axis) for axis in "xyz")

HARMONICS = 6


@dataclass(frozen=True)
class Curve:
    """Degrees over one cycle, and how much people differ in it.

    Args:
        degrees: values at every twentieth of the cycle, or `(mean, amplitude, order, phase)` of
            one cosine.
        amplitude: relative standard deviation of the swing between people.
        offset: standard deviation of the mean, degrees.
        shift: standard deviation of the timing, cycles.
        ripple: standard deviation of each low harmonic, degrees.
    """

    degrees: tuple[float, ...]
    amplitude: float = 0.12
    offset: float = 2.0
    shift: float = 0.012
    ripple: float = 0.6

    def series(self) -> Complex:
        """`(7,)` coefficients c with `angle(φ) = Re Σ_k c_k exp(2πi k φ)`, radians."""
        if len(self.degrees) == 4:
            mean, amplitude, order, phase = self.degrees
            c = np.zeros(HARMONICS + 1, np.complex128)
            c[0] = mean
            c[int(order)] += amplitude * np.exp(-2j * np.pi * order * phase)
        else:
            c = np.fft.rfft(self.degrees)[: HARMONICS + 1] / len(self.degrees)
            c[1:] *= 2
        return np.asarray(c * (np.pi / 180))


# fmt: off
LIMBS = {
    "thigh_pitch": Curve((23, 22, 19, 15, 10, 5, 0, -6, -11, -15, -18, -18, -13, -4, 6, 15, 21, 25,
                          26, 25), offset=2.0),
    "hip_adduction": Curve((3.5, 4.5, 6, 6.5, 6.5, 6, 5.5, 5.5, 5, 4.5, 3.5, 1.5, -0.5, -1.5, -1,
                            0, 1, 2, 2.5, 3), 0.2, 1.2),
    "knee_flexion": Curve((4, 10, 16, 19, 18, 15, 11, 8, 6, 7, 12, 22, 36, 51, 61, 64, 58, 42, 21,
                           6), 0.1, 2.5),
    "foot_pitch": Curve((-20, -11, -2, 0, 0, 0, 1, 3, 6, 11, 21, 37, 56, 64, 57, 41, 20, 1, -13,
                         -20), 0.12, 1.0),
    "toe_extension": Curve((0, 0, 0, 0, 0, 0, 0, 1, 4, 10, 19, 28, 27, 14, 4, 0, 0, 0, 0, 0)),
    "toe_out": Curve((7, 1.5, 1, 0.7), 0.3, 4.0),
    "shoulder_flexion": Curve((-3, -18, 1, 0.02), 0.4, 4.5, 0.03, 1.0),
    "shoulder_abduction": Curve((8, 1.5, 1, 0.3), 0.4, 3.0),
    "shoulder_rotation": Curve((16, 3, 1, 0.5), 0.4, 7.0),
    "elbow_flexion": Curve((24, -9, 1, 0.05), 0.4, 7.0, 0.03, 1.0),
}
"""Curves that both sides have; the right side's run half a cycle later."""

TRUNK = {
    "pelvis_rotation": Curve((0, -5, 1, 0.0), 0.3, 0.5),
    "pelvis_obliquity": Curve((0, 4, 1, 0.19), 0.3, 0.6),
    "pelvis_tilt": Curve((3, 1.2, 2, 0.1), 0.4, 2.5),
    "thorax_rotation": Curve((0, 5, 1, 0.02), 0.4, 0.7),
    "thorax_lean": Curve((2, 1.2, 2, 0.05), 0.4, 2.5),
    "thorax_list": Curve((0, 1.5, 1, 0.2), 0.6, 1.0),
    "shoulder_slump": Curve((0, 0.5, 1, 0.0), 0.5, 3.5),
    "head_pitch": Curve((2, 1.0, 2, 0.1), 0.5, 4.0),
}
"""Curves of the midline, timed by the left heel strike."""
# fmt: on

FLAT = (0.1, 0.4)
"""Part of the cycle in which the whole foot is on the ground."""


@dataclass(frozen=True, eq=False)
class Style:
    """How one person walks.

    Args:
        limbs: curve name → `(2, 7)` Fourier coefficients, left and right, radians.
        trunk: curve name → `(7,)`.
        cadence: cycles (two steps) a second.
        sway: side-to-side movement of the pelvis, metres to each side.
    """

    limbs: dict[str, Complex]
    trunk: dict[str, Complex]
    cadence: float
    sway: float


def average_style() -> Style:
    """The published mean curves, both sides alike."""
    limbs = {name: np.stack([curve.series()] * 2) for name, curve in LIMBS.items()}
    trunk = {name: curve.series() for name, curve in TRUNK.items()}
    return Style(limbs, trunk, cadence=0.92, sway=0.02)


def sample_style(rng: np.random.Generator) -> Style:
    """A person's own way of walking: amplitudes, offsets, timing, asymmetry, cadence."""
    limbs = {}
    for name, curve in LIMBS.items():
        own = _vary(curve.series(), curve, rng, 1.0)
        limbs[name] = np.stack([_vary(own, curve, rng, 0.3) for _ in range(2)])
    trunk = {name: _vary(curve.series(), curve, rng, 1.0) for name, curve in TRUNK.items()}
    return Style(limbs, trunk, float(rng.normal(0.92, 0.05)), float(rng.uniform(0.01, 0.03)))


def _vary(series: Complex, curve: Curve, rng: np.random.Generator, share: float) -> Complex:
    order = np.arange(len(series))
    swing = np.exp(share * curve.amplitude * rng.standard_normal())
    delay = np.exp(-2j * np.pi * order * share * curve.shift * rng.standard_normal())
    varied = series * np.where(order > 0, swing * delay, 1)
    low = (order > 0) & (order < 4)
    noise = rng.standard_normal((2, len(series))) * np.radians(share * curve.ripple)
    varied[low] += noise[0, low] / order[low] + 1j * noise[1, low] / order[low]
    varied[0] += np.radians(share * curve.offset) * rng.standard_normal()
    return np.asarray(varied, np.complex128)


def walk(
    style: Style, rng: np.random.Generator, *, frames: int, rate: float, leg_length: float
) -> Motion:
    """One walk: the person's curves at a random phase and pace, with small irregularities.

    Args:
        style: whose walk.
        rng: of this walk, independent of the person.
        frames: number of frames.
        rate: frames a second.
        leg_length: hip to ankle, metres; sets the speed so that feet do not slide.
    """
    pace = float(np.clip(rng.normal(1, 0.05), 0.85, 1.15))
    effort = float(np.clip(rng.normal(np.sqrt(pace), 0.03), 0.85, 1.15))
    cadence = style.cadence * pace
    phase = np.asarray(rng.random() + cadence / rate * np.arange(frames), np.float64)
    angles = {
        name: np.stack(
            [
                _evaluate(c, phase + 0.5 * side, effort) + _irregular(frames, rng)
                for side, c in enumerate(curves)
            ]
        )
        for name, curves in style.limbs.items()
    }
    arms = np.exp(0.12 * rng.standard_normal())
    angles["shoulder_flexion"] = _scaled(angles["shoulder_flexion"], arms)
    trunk = {name: _evaluate(c, phase, effort) for name, c in style.trunk.items()}
    trunk = {name: angle + _irregular(frames, rng, 0.6) for name, angle in trunk.items()}
    beat = 2 * np.pi * phase
    pelvis = np.zeros((frames, 3))
    pelvis[:, 0] = 0.01 * np.cos(2 * beat)
    pelvis[:, 1] = style.sway * np.sin(beat - 0.3)
    pelvis -= pelvis.mean(axis=0)
    speed = _speed(style, effort, leg_length) * cadence
    return Motion(rate, _rotations(angles, trunk), pelvis, speed, {})


def stand(frames: int, rate: float) -> Motion:
    """No movement at all: every frame the middle of a normal stance, arms hanging."""
    still = {name: curves * (np.arange(HARMONICS + 1) == 0) for name, curves in _mean_limbs()}
    limbs = {name: _evaluate(c[0], np.zeros((2, frames)), 1.0) for name, c in still.items()}
    for name in ("thigh_pitch", "knee_flexion", "foot_pitch", "toe_extension"):
        limbs[name] = np.zeros((2, frames))
    trunk = {name: np.zeros(frames) for name in TRUNK}
    return Motion(rate, _rotations(limbs, trunk), np.zeros((frames, 3)), 0.0, {})


def _mean_limbs() -> list[tuple[str, Complex]]:
    return list(average_style().limbs.items())


def _speed(style: Style, effort: float, leg_length: float) -> float:
    """Metres a cycle: how fast the ankle of a foot flat on the ground moves back under the hip."""
    flat = np.linspace(*FLAT, 20)
    thigh, knee = (
        _evaluate(style.limbs[name].mean(axis=0), flat, effort)
        for name in ("thigh_pitch", "knee_flexion")
    )
    ankle = 0.5 * leg_length * (np.sin(thigh) + np.sin(thigh - knee))
    return float((ankle[0] - ankle[-1]) / (FLAT[1] - FLAT[0]))


def _evaluate(series: Complex, phase: Array, effort: float) -> Array:
    """`c_0 + effort · Re Σ_{k≥1} c_k exp(2πi k φ)`, same shape as `phase`."""
    order = np.arange(1, len(series))
    turns = np.exp(2j * np.pi * phase[..., None] * order)
    return np.asarray(series[0].real + effort * (turns @ series[1:]).real, np.float64)


def _irregular(frames: int, rng: np.random.Generator, degrees: float = 1.0) -> Array:
    """Slow noise: a constant of the walk and a drift between knots half a second apart."""
    knots = rng.standard_normal(max(2, frames // 5 + 1))
    drift = np.interp(np.linspace(0, len(knots) - 1, frames), np.arange(len(knots)), knots)
    return np.asarray(np.radians(degrees) * (0.7 * drift + 0.7 * rng.standard_normal()))


def _scaled(angle: Array, factor: float) -> Array:
    mean = angle.mean(axis=1, keepdims=True)
    return np.asarray(mean + factor * (angle - mean))


def _rotations(limbs: dict[str, Array], trunk: dict[str, Array]) -> Array:
    """World rotations `(t, 21, 3, 3)` of all segments from joint angles `(2, t)` and `(t,)`."""
    frames = len(trunk["pelvis_tilt"])
    turn = dict.fromkeys(SEGMENTS, np.broadcast_to(np.eye(3), (frames, 3, 3)))
    _place_trunk(turn, trunk)
    for index, side in enumerate("LR"):
        out = 1 - 2 * index  # +1 where the outside is +y
        angles = {name: angle[index] for name, angle in limbs.items()}
        _place_leg(turn, angles, side, out)
        _place_arm(turn, angles, side, out)
    return np.stack([turn[name] for name in SEGMENTS], axis=1)


def _place_trunk(turn: dict[str, Array], angle: dict[str, Array]) -> None:
    pelvis = about_z(angle["pelvis_rotation"]) @ about_x(angle["pelvis_obliquity"])
    thorax = about_z(angle["thorax_rotation"]) @ about_x(angle["thorax_list"])
    turn["pelvis"] = pelvis @ about_y(angle["pelvis_tilt"])
    turn["thorax"] = thorax @ about_y(angle["thorax_lean"])
    turn["lumbar"] = (
        about_z((angle["pelvis_rotation"] + angle["thorax_rotation"]) / 2)
        @ about_x((angle["pelvis_obliquity"] + angle["thorax_list"]) / 2)
        @ about_y((angle["pelvis_tilt"] + angle["thorax_lean"]) / 2)
    )
    slump = angle["shoulder_slump"]
    turn["neck"] = about_y((angle["thorax_lean"] + slump + angle["head_pitch"]) / 2 + 0.1)
    turn["head"] = about_y(angle["head_pitch"])
    for side, out in (("L", 1), ("R", -1)):
        turn[f"clavicle.{side}"] = turn["thorax"] @ about_z(-out * slump)


def _place_leg(turn: dict[str, Array], angle: dict[str, Array], side: str, out: int) -> None:
    toe_out = about_z(out * angle["toe_out"])
    thigh = toe_out @ about_x(-out * angle["hip_adduction"]) @ about_y(-angle["thigh_pitch"])
    turn[f"thigh.{side}"] = thigh
    turn[f"shank.{side}"] = thigh @ about_y(angle["knee_flexion"])
    turn[f"foot.{side}"] = toe_out @ about_y(angle["foot_pitch"])
    turn[f"toes.{side}"] = turn[f"foot.{side}"] @ about_y(-angle["toe_extension"])


def _place_arm(turn: dict[str, Array], angle: dict[str, Array], side: str, out: int) -> None:
    upper = (
        turn["thorax"]
        @ about_x(out * angle["shoulder_abduction"])
        @ about_y(-angle["shoulder_flexion"])
        @ about_z(-out * angle["shoulder_rotation"])
    )
    turn[f"upper_arm.{side}"] = upper
    turn[f"forearm.{side}"] = upper @ about_y(-angle["elbow_flexion"])
    turn[f"hand.{side}"] = turn[f"forearm.{side}"]


def hold(motion: Motion, side: str, flexion: float, abduction: float, elbow: float) -> Motion:
    """Fixes an arm to the trunk, as when carrying something.

    Args:
        motion: the walk.
        side: "L" or "R".
        flexion, abduction, elbow: degrees; how the arm is held.
    """
    out = 1 if side == "L" else -1
    rotations = motion.rotations.copy()
    one = {"thorax": rotations[:, SEGMENTS.index("thorax")]}
    angles = {
        "shoulder_flexion": flexion,
        "shoulder_abduction": abduction,
        "shoulder_rotation": 15.0,
        "elbow_flexion": elbow,
    }
    _place_arm(one, {k: np.full(1, np.radians(v)) for k, v in angles.items()}, side, out)
    for name, turns in one.items():
        rotations[:, SEGMENTS.index(name)] = turns
    return replace(motion, rotations=rotations)
