import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gait.errors import ConfigError
from train.config import DiffusionConfig, ModelConfig
from train.noise_schedule import BetaSchedule, betas, partition, signal_retention

schedules = st.sampled_from(BetaSchedule)


@given(schedule=schedules, steps=st.integers(1, 1500))
def test_signal_retention_falls_strictly_from_one_and_stays_positive(
    schedule: BetaSchedule, steps: int
) -> None:
    retention = signal_retention(schedule, steps)
    assert retention.shape == (steps + 1,)
    assert retention[0] == 1
    assert (np.diff(retention) < 0).all()
    assert retention[-1] > 0


@pytest.mark.parametrize("schedule", BetaSchedule)
def test_signal_retention_is_the_product_of_what_each_step_keeps(schedule: BetaSchedule) -> None:
    kept, expected = 1.0, [1.0]
    for beta in betas(schedule, 37):
        kept *= 1 - beta
        expected.append(kept)
    np.testing.assert_allclose(signal_retention(schedule, 37), expected, rtol=1e-12)


@pytest.mark.parametrize("schedule", BetaSchedule)
def test_a_schedule_may_be_given_by_its_name(schedule: BetaSchedule) -> None:
    name = str(schedule.value)
    np.testing.assert_array_equal(signal_retention(name, 100), signal_retention(schedule, 100))
    named = DiffusionConfig().model_copy(update={"schedule": name})
    assert named.intervals == DiffusionConfig(schedule=schedule).intervals


def test_an_unknown_schedule_is_refused() -> None:
    with pytest.raises(ConfigError, match="got schedule 'cosinus', need one of linear, linear_sc"):
        signal_retention("cosinus", 100)


def test_the_linear_schedules_run_between_their_ends() -> None:
    np.testing.assert_allclose(betas(BetaSchedule.LINEAR, 100)[[0, -1]], [1e-4, 0.02])
    np.testing.assert_allclose(betas(BetaSchedule.LINEAR_SCALED, 100)[[0, -1]], [1e-3, 0.2])
    np.testing.assert_allclose(
        betas(BetaSchedule.LINEAR_SCALED, 1000), betas(BetaSchedule.LINEAR, 1000)
    )


def test_the_cosine_schedule_follows_its_formula() -> None:
    def signal(t: int) -> float:
        return float(np.cos((t / 100 + 0.008) / 1.008 * np.pi / 2) ** 2)

    retention = signal_retention(BetaSchedule.COSINE, 100)
    for t in (1, 50, 99):
        assert retention[t] == pytest.approx(signal(t) / signal(0), rel=1e-9)


@given(
    schedule=schedules,
    steps=st.integers(1, 400),
    tau1=st.floats(0.02, 0.99),
    share=st.floats(0.05, 0.95),
)
def test_phases_partition_the_timesteps_or_are_refused(
    schedule: BetaSchedule, steps: int, tau1: float, share: float
) -> None:
    retention, tau2 = signal_retention(schedule, steps), tau1 * share
    try:
        phases = partition(retention, tau1, tau2)
    except ConfigError:
        is_small, is_large = retention[1:] >= tau1, retention[1:] < tau2
        assert not is_small.any() or not is_large.any() or (is_small | is_large).all()
        return
    assert [t for phase in phases for t in phase] == list(range(1, steps + 1))
    assert all(phases)
    small, medium, large = (retention[list(phase)] for phase in phases)
    assert small.min() >= tau1 > medium.max()
    assert medium.min() >= tau2 > large.max()


def test_the_default_phases() -> None:
    assert DiffusionConfig().intervals == (range(1, 23), range(23, 83), range(83, 101))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tau1": 0.99999}, r"phase 1 .* is empty: .* 0\.9999, below tau1"),
        ({"tau1": 0.5001}, r"phase 2 .* is empty: no timestep .* tau2 = 0\.5 up to tau1 = 0\.5001"),
        ({"steps": 50}, r"phase 3 .* is empty: after 50 steps .* 0\.603, not below tau2 = 0\.5"),
        ({"tau1": 0.5}, r"tau1 = 0\.5 and tau2 = 0\.5, need 0 < tau2 < tau1 < 1"),
        ({"phases": (1, 1)}, r"phases \(1, 1\), need each at most once"),
        ({"phases": (3, 1)}, r"phases \(3, 1\), need .* rising order"),
    ],
)
def test_a_diffusion_config_that_cannot_work_says_why(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        DiffusionConfig.model_validate(changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channels": (8, 16)}, "got 2 channels, 4 strides and 4 blocks"),
        ({"stem_stride": 3}, "got stem_stride × strides = 12, need a divisor of 64"),
        ({"parts": 12}, "got 12 parts for a feature map 16 rows high"),
    ],
)
def test_a_model_config_that_cannot_work_says_why(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        ModelConfig.model_validate(changes)
