"""Two methods over several seeds: the mean change, and an interval for other people and seeds."""

from pathlib import Path

import numpy as np
import pytest

from gait.errors import EvaluationError
from gait.modality import Modality
from tests.unit.test_protocol_result import result
from train.compare import main, over_seeds
from train.protocols.difference import Difference, Differences
from train.protocols.result import ProtocolResult

GOOD, WORSE = (0.4, 0.5, 0.6), (0.9, 1.3, 1.0)
"""Noise of a place with each seed."""


def _change(changes: Differences, condition: str = "Overall") -> Difference:
    return next(
        change
        for change in changes.differences
        if (change.probe, change.gallery) == (Modality.SILHOUETTE, Modality.RANGE_VIEW)
        and (change.condition, change.metric) == (condition, "rank1")
    )


@pytest.fixture(scope="module")
def worse() -> list[ProtocolResult]:
    return [result(noise) for noise in WORSE]


@pytest.fixture(scope="module")
def good() -> list[ProtocolResult]:
    return [result(noise) for noise in GOOD]


def test_one_seed_is_the_comparison_of_two_results(
    worse: list[ProtocolResult], good: list[ProtocolResult]
) -> None:
    alone = over_seeds(worse[:1], good[:1])
    assert alone.differences == worse[0].compare(good[0]).differences
    assert "over people alone" in alone.table()


def test_several_seeds_give_their_mean_and_are_less_sure(
    worse: list[ProtocolResult], good: list[ProtocolResult]
) -> None:
    change = _change(over_seeds(worse, good))
    each = [_change(a.compare(b)).change for a, b in zip(worse, good, strict=True)]
    assert change.change == pytest.approx(np.mean(each))
    assert change.low is not None
    assert change.high is not None
    # Student's t with two degrees of freedom: 4.30 standard errors, and people beside.
    seeds_alone = 4.30 * np.std(each, ddof=1) / np.sqrt(3)
    assert change.high - change.low > 2 * 0.95 * seeds_alone
    assert change.low < change.change < change.high


def test_seeds_that_agree_are_as_sure_as_one(worse: list[ProtocolResult]) -> None:
    once, thrice = (_change(over_seeds([worse[0]] * k, [result(0.4)] * k)) for k in (1, 3))
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))


def test_what_is_no_pair_is_refused(
    worse: list[ProtocolResult], good: list[ProtocolResult]
) -> None:
    with pytest.raises(EvaluationError, match="3 results before and 2 after"):
        over_seeds(worse, good[:2])
    with pytest.raises(EvaluationError, match="two are not paired"):
        over_seeds(worse, [*good[:2], result(0.6, people=5)])
    slim = ProtocolResult.from_json(good[0].to_json())
    with pytest.raises(EvaluationError, match="holds no resamples"):
        over_seeds(worse[:1], [slim])


def test_the_command_takes_files_and_run_folders(
    tmp_path: Path,
    worse: list[ProtocolResult],
    good: list[ProtocolResult],
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "results.json").write_text(worse[0].to_json(resamples=True))
    file = tmp_path / "good.json"
    file.write_text(good[0].to_json(resamples=True))
    main((run,), (file,))
    assert "silhouette → range_view, cosine, Overall, rank1" in capsys.readouterr().out
    with pytest.raises(FileNotFoundError):
        main((run / "nothing.json",), (file,))
    with pytest.raises(EvaluationError, match=r"run twice on one side"):
        main((file, run, run / "results.json"), (file, file, file))
