import json

import numpy as np
import pytest
from pydantic import ValidationError

from gait.errors import EvaluationError
from gait.metrics import Distance
from gait.modality import Modality
from train.protocols.records import Interval
from train.protocols.result import ProtocolResult
from train.protocols.sustech1k import Labels, evaluate_sustech1k

SIL, RV = Modality.SILHOUETTE, Modality.RANGE_VIEW


def result(
    noise: float, *, people: int = 12, simulated: bool = False, seed: int = 0
) -> ProtocolResult:
    """Everybody stands at an own place; more noise, more mistakes."""
    rng = np.random.default_rng(5)
    rows = [
        (f"{person:02d}", kind, view)
        for person in range(people)
        for kind in ("00-nm", "01-nm", "01-cr-uf")
        for view in ("000", "090")
    ]
    subjects, types, views = map(np.array, zip(*rows, strict=True))
    place = rng.normal(size=(people, 4, 8))[subjects.astype(int)]
    silhouette, range_view = place + noise * rng.normal(size=(2, *place.shape))
    labels = Labels(subjects, types, views)
    return evaluate_sustech1k(
        silhouette, range_view, labels, bootstrap=80, seed=seed, simulated=simulated
    )


@pytest.fixture(scope="module")
def good() -> ProtocolResult:
    return result(1.0)


def test_json_round_trip(good: ProtocolResult) -> None:
    assert ProtocolResult.from_json(good.to_json(resamples=True)) == good
    slim = ProtocolResult.from_json(good.to_json())
    assert slim.table(views=True) == good.table(views=True)
    assert all(row.resamples is None for row in slim.rows)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["rows", 0, "scores", "rank1", "value"], 101),
        (["rows", 0, "scores", "rank1", "low"], 100.0),
        (["rows", 0, "scores"], {}),
        (["rows", 0, "empty_cells"], 99),
        (["rows", 0, "probes"], 1),
        (["rows", 0, "probe"], "radar"),
        (["rows", 0, "view"], "000"),
        (["rows", 0, "surprise"], 1),
        (["rows", 0, "resamples"], {"rank1": [1.0]}),
        (["metrics"], ["rank1"]),
        (["protocol"], ""),
        (["bootstrap"], 0),
    ],
)
def test_an_invalid_result_cannot_be_made(
    good: ProtocolResult, path: list[str | int], value: object
) -> None:
    content = json.loads(good.to_json())
    part = content
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    if path[-1] == "low":
        part["high"] = 0.0
    with pytest.raises(EvaluationError, match="need a file written by"):
        ProtocolResult.from_json(json.dumps(content))


@pytest.mark.parametrize("text", ["", "[]", "{", "null", b"\xff\xfe"])
def test_other_files_are_an_error(text: str | bytes) -> None:
    with pytest.raises(EvaluationError):
        ProtocolResult.from_json(text)


def test_intervals_must_be_ordered_and_finite() -> None:
    with pytest.raises(ValidationError, match="low ≤ high"):
        Interval(value=1, low=3, high=2)
    with pytest.raises(ValidationError):
        Interval(value=float("nan"), low=1, high=2)


def test_the_distance_that_a_result_goes_by_comes_first(good: ProtocolResult) -> None:
    other = good.model_copy(update={"distance": Distance.EUCLIDEAN})
    for result, first, last in (
        (good, "cosine", "euclidean"),
        (other, "euclidean", "cosine"),
    ):
        blocks = result.table().split("\n\n")
        assert all(f"{first} distance" in block.splitlines()[0] for block in blocks[:4])
        assert all(f"{last} distance" in block.splitlines()[0] for block in blocks[4:8])
        assert f"compared by {first} distance" in blocks[-1]
        assert result.row(probe=SIL, gallery=RV).distance == first


def test_the_table_names_what_it_shows(good: ProtocolResult) -> None:
    blocks = good.table().split("\n\n")
    assert len(blocks) == 9  # four directions × two distances, and the notes
    assert "probe silhouette → gallery range_view, cosine distance" in good.table()
    assert "probe range_view → gallery silhouette, euclidean distance" in good.table()
    carrying = next(line for line in blocks[0].splitlines() if line.startswith("Carrying"))
    score = good.row(probe=SIL, gallery=SIL, condition="Carrying")
    one = score.scores["rank1"]
    assert f"{one.value:.1f} [{one.low:.1f}, {one.high:.1f}]" in carrying
    assert carrying.split()[-4:] == ["24", "12", "0", "0/2"]
    assert "from 090" in good.table(views=True)
    assert "from 090" not in good.table()


def test_simulated_people_are_called_so_in_every_block(good: ProtocolResult) -> None:
    simulated = result(1.0, simulated=True)
    *blocks, _ = simulated.table().split("\n\n")
    assert all("simulated" in block for block in blocks)
    assert "simulated" in simulated.compare(simulated).table()
    assert "simulated" not in good.table()
    with pytest.raises(EvaluationError, match="simulated"):
        simulated.compare(good)


def test_scores_come_with_their_counts(good: ProtocolResult) -> None:
    score = good.score(probe=SIL, gallery=RV, metric="mAP")
    assert 0 < score.low <= score.value <= score.high <= 100
    assert (score.probes, score.subjects, score.misses, score.empty_cells) == (48, 12, 0, 0)
    with pytest.raises(EvaluationError, match="rank7"):
        good.score(probe=SIL, gallery=RV, metric="rank7")
    with pytest.raises(EvaluationError, match="Rain"):
        good.score(probe=SIL, gallery=RV, condition="Rain")


def test_paired_intervals_are_narrower(good: ProtocolResult) -> None:
    worse = result(1.5)
    changes = good.compare(worse)
    change = next(
        d
        for d in changes.differences
        if (d.probe, d.gallery, d.condition, d.metric) == (SIL, RV, "Overall", "rank1")
    )
    assert change.change < 0
    assert change.low is not None
    assert change.high is not None
    assert change.low <= change.change <= change.high
    same = good.compare(good)
    assert all((d.change, d.low, d.high) == (0, 0, 0) for d in same.differences)
    assert "Overall, rank1" in changes.table()
    assert json.loads(changes.to_json())["differences"]


@pytest.mark.parametrize("other", ["seed", "people", "no resamples"])
def test_unpaired_results_have_no_interval(good: ProtocolResult, other: str) -> None:
    second = {
        "seed": lambda: result(1.0, seed=1),
        "people": lambda: result(1.0, people=13),
        "no resamples": lambda: ProtocolResult.from_json(good.to_json()),
    }[other]()
    changes = good.compare(second)
    assert changes.differences
    assert all(d.low is None and d.high is None for d in changes.differences)
    assert "–" in changes.table()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"walks_sha256": None}, "not paired: an older version wrote one of them"),
        ({"walks_sha256": "0"}, "not paired: other walks were scored"),
        ({"seed": 1}, "not paired: other resamples were drawn"),
        ({}, "paired by ids alone"),
    ],
)
def test_what_pairing_rests_on_is_said(
    good: ProtocolResult, change: dict[str, object], said: str
) -> None:
    changes = good.compare(good.model_copy(update=change))
    assert said in changes.table().splitlines()[-1]
    assert said in json.loads(changes.to_json())["note"]
    assert all((d.low is None) == bool(change) for d in changes.differences)


def test_results_of_before_walks_were_hashed_are_read(good: ProtocolResult) -> None:
    content = json.loads(good.to_json())
    for name in ("walks_sha256", "frames_sha256", "notes"):
        del content[name]
    assert ProtocolResult.from_json(json.dumps(content)).rows == good.model_copy(
        update={"rows": tuple(row.model_copy(update={"resamples": None}) for row in good.rows)}
    ).rows  # fmt: skip
