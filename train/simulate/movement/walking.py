"""A walk from joint-angle curves: irregular, at its own pace, as rotations of all segments."""

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from train.simulate.movement.gait_curves import (
    HARMONICS,
    TRUNK,
    Complex,
    Style,
    average_style,
    evaluate,
)
from train.simulate.movement.motion import SEGMENTS, Motion
from train.simulate.movement.rotation import about

Array = NDArray[np.float64]

about_x, about_y, about_z = (partial(about, axis) for axis in "xyz")

FLAT = (0.1, 0.4)
"""Part of the cycle in which the whole foot is on the ground."""


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
                evaluate(c, phase + 0.5 * side, effort) + _irregular(frames, rng)
                for side, c in enumerate(curves)
            ]
        )
        for name, curves in style.limbs.items()
    }
    arms = np.exp(0.12 * rng.standard_normal())
    angles["shoulder_flexion"] = _scaled(angles["shoulder_flexion"], arms)
    trunk = {name: evaluate(c, phase, effort) for name, c in style.trunk.items()}
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
    limbs = {name: evaluate(c[0], np.zeros((2, frames)), 1.0) for name, c in still.items()}
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
        evaluate(style.limbs[name].mean(axis=0), flat, effort)
        for name in ("thigh_pitch", "knee_flexion")
    )
    ankle = 0.5 * leg_length * (np.sin(thigh) + np.sin(thigh - knee))
    return float((ankle[0] - ankle[-1]) / (FLAT[1] - FLAT[0]))


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
