"""Joint-angle curves of normal gait, and how people differ in them.

Thigh, knee and foot approximate the sagittal curves of D. A. Winter, "The Biomechanics and Motor
Control of Human Gait" (1991), natural cadence, thigh and foot against the vertical and the floor;
pelvis, trunk and frontal plane those of J. Perry, "Gait Analysis" (1992); arm swing M. P. Murray
et al., "Patterns of sagittal rotation of the upper limbs in walking" (1967). Degrees at every
twentieth of the cycle, which begins when the same side's heel strikes, kept as Fourier series.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

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


def evaluate(series: Complex, phase: Array, effort: float) -> Array:
    """`c_0 + effort · Re Σ_{k≥1} c_k exp(2πi k φ)`, radians, same shape as `phase` in cycles."""
    order = np.arange(1, len(series))
    turns = np.exp(2j * np.pi * phase[..., None] * order)
    return np.asarray(series[0].real + effort * (turns @ series[1:]).real, np.float64)
