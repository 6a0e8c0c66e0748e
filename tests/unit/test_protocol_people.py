"""Scores of everybody and of each alone come from the same outcomes as the protocol's."""

import numpy as np
import pytest

from gait.metrics import Distance
from gait.modality import Modality
from train.protocols.outcomes import Lookup
from train.protocols.people import weighted_scores
from train.protocols.sustech1k import Labels, compare_sustech1k, evaluate_sustech1k

SIL, RV = Modality.SILHOUETTE, Modality.RANGE_VIEW
WAY = Lookup(SIL, RV, Distance.COSINE)


def random_walks(people: int = 5) -> tuple[np.ndarray, np.ndarray, Labels]:
    rng = np.random.default_rng(0)
    clips = [
        (f"{p:03d}", t, v)
        for p in range(people)
        for t in ("00-nm", "01-nm", "01-bg")
        for v in ("000", "090", "180")
    ]
    subjects, types, views = (np.array(column) for column in zip(*clips, strict=True))
    of_person = rng.standard_normal((people, 2, 4))[np.repeat(np.arange(people), 9)]
    shape = of_person.shape
    one, two = ((of_person + rng.standard_normal(shape)).astype(np.float32) for _ in range(2))
    return one, two, Labels(subjects, types, views)


def test_ones_give_the_protocols_score() -> None:
    one, two, labels = random_walks()
    result = evaluate_sustech1k(one, two, labels, bootstrap=1)
    found = compare_sustech1k(one, two, labels, (1, 5, 10))
    scores = weighted_scores(found, WAY, np.ones((1, 5)))
    assert set(scores) == {"Normal", "Bag", "Overall"}
    for condition, values in scores.items():
        row = result.row(probe=SIL, gallery=RV, condition=condition)
        expected = [row.scores[name].value for name in found.layout.metrics]
        assert values[0].tolist() == pytest.approx(expected, abs=1e-3)


def test_each_alone_is_as_if_nobody_else_were_looked_up() -> None:
    one, two, labels = random_walks()
    found = compare_sustech1k(one, two, labels, (1,))
    alone = weighted_scores(found, WAY, np.eye(5))["Overall"][:, 0]
    assert len(set(alone.tolist())) > 1
    for number in range(5):
        kept = (labels.subjects == f"{number:03d}") | (labels.types == "00-nm")
        few = Labels(labels.subjects[kept], labels.types[kept], labels.views[kept])
        row = evaluate_sustech1k(one[kept], two[kept], few, bootstrap=1).row(
            probe=SIL, gallery=RV, condition="Overall"
        )
        assert alone[number] == pytest.approx(row.scores["rank1"].value, abs=1e-3)
    everybody = weighted_scores(found, WAY, np.ones((1, 5)))["Overall"][0, 0]
    assert alone.mean() == pytest.approx(everybody)


def test_who_has_no_probe_has_no_score() -> None:
    one, two, labels = random_walks()
    kept = ~((labels.subjects == "002") & (labels.types == "01-bg"))
    labels = Labels(labels.subjects[kept], labels.types[kept], labels.views[kept])
    found = compare_sustech1k(one[kept], two[kept], labels, (1,))
    alone = weighted_scores(found, WAY, np.eye(5))["Bag"][:, 0]
    assert np.isnan(alone).tolist() == [False, False, True, False, False]
