"""Recall and precision of boxes."""

from pathlib import Path

import numpy as np
import pytest

from bench.capture import Rows, compare, read_boxes
from gait.errors import DataError


def rows(*boxes: tuple[float, ...], counts: bool = True) -> Rows:
    return {0: [(np.array(box, float), counts) for box in boxes]}


PERSON = (0.0, 0.0, 40.0, 100.0)


def test_found_missed_and_wrong_boxes() -> None:
    other, wrong = (200.0, 0.0, 240.0, 100.0), (400.0, 0.0, 440.0, 100.0)
    found = compare(rows(PERSON, wrong), rows(PERSON, other), 60)
    assert (found.people, found.found, found.wrong) == (2, 1, 1)
    assert (found.recall, found.precision) == (0.5, 0.5)


def test_one_person_is_found_once() -> None:
    found = compare(rows(PERSON, PERSON), rows(PERSON), 60)
    assert (found.found, found.wrong) == (1, 1)


def test_who_does_not_count_is_neither_missed_nor_wrong() -> None:
    hidden = rows(PERSON, counts=False)
    assert compare({}, hidden, 60).people == 0
    assert compare(rows(PERSON), hidden, 60).wrong == 0
    small = (0.0, 0.0, 20.0, 50.0)
    assert compare(rows(small), rows(small), 60) == compare({}, {}, 60)


def test_the_reference_is_read_and_another_table_is_named(tmp_path: Path) -> None:
    reference = read_boxes(Path(__file__).parents[2] / "results" / "street_boxes.csv")
    assert len(reference) == 60
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="list of boxes"):
        read_boxes(tmp_path / "odd.csv")
