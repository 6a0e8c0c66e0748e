import numpy as np
import pytest

from gait.errors import EvaluationError
from gait.modality import Modality
from train.protocols.freegait import evaluate_freegait

SIL, RV = Modality.SILHOUETTE, Modality.RANGE_VIEW

SUBJECTS = np.array(["ann", "bob", "ann", "bob", "cid", "ann"])
ROLES = np.array(["gallery", "gallery", "probe", "probe", "probe", ""])
PLACES = np.array([0, 10, 4, 2, 3, 9], dtype=np.float32)[:, None, None]


def test_a_case_worked_by_hand() -> None:
    # Ann at 4 finds ann at 0 before bob at 10; bob at 2 finds ann first; cid has no gallery item.
    result = evaluate_freegait(PLACES, PLACES, SUBJECTS, ROLES, bootstrap=10)
    row = result.row(probe=SIL, gallery=RV, distance="euclidean")
    values = {name: score.value for name, score in row.scores.items()}
    assert values == {"rank1": 50, "rank5": 100, "mAP": 75, "mINP": 75}
    assert (row.probes, row.subjects, row.misses, row.empty_cells, row.cells) == (2, 2, 0, 0, 1)
    assert result.left_out == {"no gallery item": 1}
    table = result.table()
    assert "GALLERY_SET" in table
    assert "no gallery item: 1" in table


def test_the_complement_takes_everything_that_is_no_probe() -> None:
    # Ann's second gallery item, at 9, is her last: after bob at 10 for the probe at 4? No: 5 < 6.
    result = evaluate_freegait(PLACES, PLACES, SUBJECTS, ROLES, gallery="complement", bootstrap=10)
    row = result.row(probe=SIL, gallery=RV, distance="euclidean")
    # Ann: ranks 1 and 2 of 3. Bob at 2: ann at 0, ann at 9, bob at 10: rank 3.
    assert row.scores["rank1"].value == 50
    assert row.scores["mAP"].value == pytest.approx(100 * (1 + 1 / 3) / 2, abs=1e-3)
    assert "OpenGait" in result.table()


def test_large_probe_sets_are_compared_in_blocks() -> None:
    rng = np.random.default_rng(0)
    subjects = np.array([f"{k:03d}" for k in range(50)] + [f"{k % 50:03d}" for k in range(2500)])
    roles = np.array(["gallery"] * 50 + ["probe"] * 2500)
    centres = rng.normal(size=(50, 1, 4))
    clips = np.concatenate([centres, centres[np.arange(2500) % 50]]).astype(np.float32)
    result = evaluate_freegait(clips, clips, subjects, roles, bootstrap=10)
    row = result.row(probe=SIL, gallery=RV)
    assert row.probes == 2500
    assert row.scores["rank1"].value == 100


@pytest.mark.parametrize(
    ("subjects", "roles", "gallery", "message"),
    [
        (SUBJECTS[:-1], ROLES, "list", r"\[6, 6, 5, 6\]"),
        (SUBJECTS, np.array(["probe"] * 6), "list", "no probe with a gallery item"),
        (SUBJECTS, np.array(["query"] * 6), "list", "query"),
        (SUBJECTS, ROLES, "all", "'all'"),
    ],
)
def test_what_cannot_be_evaluated_is_an_error(
    subjects: np.ndarray, roles: np.ndarray, gallery: str, message: str
) -> None:
    with pytest.raises(EvaluationError, match=message):
        evaluate_freegait(PLACES, PLACES, subjects, roles, gallery=gallery)  # type: ignore[arg-type]
