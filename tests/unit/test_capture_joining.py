"""Clips are joined to people only where nobody else can be meant."""

from typing import Any

import numpy as np
import pytest

from capture.track.joining import joined

RED, BLUE = [0.8, 0.6], [0.6, -0.8]


def clip(
    begins: float, ends: float, start: float, speed: float = 1.0, **fields: Any
) -> dict[str, Any]:
    """Somebody who walks along x, metres a second; 1.7 m tall, or 100 pixels a metre."""
    seconds = np.arange(begins, ends + 0.05, 0.1)
    x = start + speed * (seconds - begins)
    boxes = np.stack([x - 0.3, np.full(len(x), 4.0), x + 0.3, np.full(len(x), 4.6)], axis=1)
    known = {"begins": begins, "ends": ends, "seconds": seconds.tolist(), "boxes": boxes.tolist()}
    return known | {"modality": "range_view"} | fields


def pictured(known: dict[str, Any], tall: float = 170.0) -> dict[str, Any]:
    """The same as a camera's."""
    boxes = np.array(known["boxes"]) * 100
    boxes[:, 1] = boxes[:, 3] - tall
    return known | {"boxes": boxes.tolist(), "modality": "silhouette"}


def test_who_goes_on_where_and_as_expected_is_one_person() -> None:
    walk = [clip(0, 3, 0.0), clip(4, 7, 4.0), clip(9, 12, 9.0)]
    assert joined(walk) == [1, 1, 1]
    assert joined([pictured(each) for each in walk]) == [1, 1, 1]
    assert joined(walk[::-1]) == [1, 1, 1]


@pytest.mark.parametrize(
    "later",
    [
        clip(6.5, 9, 6.5),  # too late
        clip(4, 7, 5.0),  # elsewhere
        clip(4, 7, 4.0, -1.0),  # the other way
        clip(2, 5, 2.0),  # seen at the same time
    ],
)
def test_who_does_not_is_another_one(later: dict[str, Any]) -> None:
    assert joined([clip(0, 3, 0.0), later]) == [1, 2]


@pytest.mark.parametrize(("tall", "people"), [(170.0, [1, 1]), (120.0, [1, 2])])
def test_somebody_of_another_height_is_another_one(tall: float, people: list[int]) -> None:
    assert joined([pictured(clip(0, 3, 0.0)), pictured(clip(4, 7, 4.0), tall)]) == people


@pytest.mark.parametrize(("colours", "people"), [(RED, [1, 1]), (BLUE, [1, 2]), ([], [1, 1])])
def test_somebody_in_other_clothes_is_another_one(colours: list[float], people: list[int]) -> None:
    first = clip(0, 3, 0.0, looks=[BLUE, RED])
    assert joined([first, clip(4, 7, 4.0, looks=[colours, BLUE])]) == people


def test_two_who_may_both_be_meant_are_not_guessed() -> None:
    couple = [clip(4, 7, 3.9), clip(4, 7, 4.2)]
    assert joined([clip(0, 3, 0.0), *couple]) == [1, 2, 3]
    assert joined([clip(0, 3, 0.0), clip(0, 3, 0.2), clip(4, 7, 4.1)]) == [1, 2, 3]


def test_who_stands_has_no_direction() -> None:
    assert joined([clip(0, 3, 0.0, 0.05), clip(4, 7, 0.2, -0.05)]) == [1, 1]


def test_nobody_is_nobody() -> None:
    assert joined([]) == []
