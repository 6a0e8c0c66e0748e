"""How fast the signal fades, and the three phases that follow from it (Eq. 7 and 12).

Plain numpy in float64: a config can be checked without torch.
"""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from gait.errors import ConfigError

Retention = NDArray[np.float64]
"""`(T + 1,)`: ᾱ_0 = 1, ᾱ_1, …, ᾱ_T."""


class BetaSchedule(StrEnum):
    """How the noise variances β_1..β_T are chosen."""

    LINEAR = "linear"
    """β from 1e-4 to 0.02 whatever T is: at T = 100, t1 = 22 and t2 = 82, which fits the timesteps
    the paper probes (10, 50, 90)."""
    LINEAR_SCALED = "linear_scaled"
    """The same times 1000/T, so that the last latent is nearly pure noise for any T."""
    COSINE = "cosine"
    """ᾱ_t ∝ cos²((t/T + 0.008) / 1.008 · π/2) (Nichol and Dhariwal, 2021), β at most 0.999."""


def betas(schedule: BetaSchedule | str, steps: int) -> NDArray[np.float64]:
    """β_1..β_T of a schedule, each in (0, 1).

    Args:
        schedule: which of the schedules, or its name.
        steps: T, at least 1.

    Returns:
        `(T,)` float64; entry `t - 1` is β_t.

    Raises:
        ConfigError: there is no such schedule.
    """
    if schedule not in list(BetaSchedule):
        raise ConfigError(f"got schedule {schedule!r}, need one of {', '.join(BetaSchedule)}")
    if schedule == BetaSchedule.COSINE:
        angle = (np.arange(steps + 1) / steps + 0.008) / 1.008 * np.pi / 2
        retention = np.cos(angle) ** 2
        variances: NDArray[np.float64] = 1 - retention[1:] / retention[:-1]
    else:
        variances = np.linspace(1e-4, 0.02, steps)
        if schedule == BetaSchedule.LINEAR_SCALED:
            variances = variances * 1000 / steps
    return np.minimum(variances, 0.999)


def signal_retention(schedule: BetaSchedule | str, steps: int) -> Retention:
    """ᾱ_t = Π_{i ≤ t} (1 − β_i): the share of the signal's variance left after t steps.

    Returns:
        `(T + 1,)` float64, strictly falling; entry `t` is ᾱ_t, so entry 0 is 1.

    Raises:
        ConfigError: there is no such schedule.
    """
    return np.concatenate([[1.0], np.cumprod(1 - betas(schedule, steps))])


def partition(retention: Retention, tau1: float, tau2: float) -> tuple[range, range, range]:
    """Eq. 12: `t1 = max{t: ᾱ_t ≥ τ1}`, `t2 = max{t: ᾱ_t ≥ τ2}`.

    Args:
        retention: ᾱ_0..ᾱ_T, strictly falling.
        tau1: threshold between small and medium noise.
        tau2: threshold between medium and large noise, below `tau1`.

    Returns:
        Timesteps of the small (1..t1), medium (t1+1..t2) and large (t2+1..T) phase.

    Raises:
        ConfigError: the thresholds are out of order, or a phase has no timestep.
    """
    if not 0 < tau2 < tau1 < 1:
        raise ConfigError(f"got tau1 = {tau1:g} and tau2 = {tau2:g}, need 0 < tau2 < tau1 < 1")
    last = len(retention) - 1
    t1, t2 = (int(np.flatnonzero(retention >= tau)[-1]) for tau in (tau1, tau2))
    phases = range(1, t1 + 1), range(t1 + 1, t2 + 1), range(t2 + 1, last + 1)
    _refuse_empty(phases, retention, tau1, tau2)
    return phases


def _refuse_empty(phases: Sequence[range], retention: Retention, tau1: float, tau2: float) -> None:
    small, medium, large = phases
    if not small:
        raise ConfigError(
            f"phase 1 (small noise) is empty: after one step the signal retention is already "
            f"{retention[1]:.4g}, below tau1 = {tau1:g}; lower tau1 or raise steps"
        )
    if not medium:
        raise ConfigError(
            f"phase 2 (medium noise) is empty: no timestep has a signal retention from "
            f"tau2 = {tau2:g} up to tau1 = {tau1:g}; move them apart or raise steps"
        )
    if not large:
        raise ConfigError(
            f"phase 3 (large noise) is empty: after {len(retention) - 1} steps the signal "
            f"retention is still {retention[-1]:.4g}, not below tau2 = {tau2:g}; "
            "raise tau2, raise steps or choose another schedule"
        )
