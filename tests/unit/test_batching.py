"""Questions of several threads, answered together."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from gallery.index.batching import Batching

pytestmark = pytest.mark.timeout(60)


def test_everybody_gets_the_answer_to_their_own_question() -> None:
    lists: list[int] = []

    def double(questions: Sequence[int]) -> list[int]:
        lists.append(len(questions))
        return [2 * question for question in questions]

    batching = Batching(double, 8)
    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(batching, range(5000))) == [2 * n for n in range(5000)]
    assert sum(lists) == 5000
    assert max(lists) <= 8


def test_what_is_asked_meanwhile_is_answered_together() -> None:
    go, lists = threading.Event(), list[list[int]]()

    def answer(questions: Sequence[int]) -> Sequence[int]:
        lists.append(list(questions))
        assert go.wait(30)
        return questions

    batching = Batching(answer, 3)
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(batching, 0)
        while not lists:
            pass
        others = []
        for question in range(1, 6):  # one after another, so that their order is known
            others.append(pool.submit(batching, question))
            while len(batching._waiting) < question:
                pass
        go.set()
        assert [each.result(30) for each in (first, *others)] == list(range(6))
    assert lists == [[0], [1, 2, 3], [4, 5]]


def test_an_error_reaches_everybody_who_asked_and_nobody_after_them() -> None:
    def answer(questions: Sequence[int]) -> Sequence[int]:
        if 7 in questions:
            raise ValueError("not seven")
        return questions

    batching = Batching(answer, 4)
    with pytest.raises(ValueError, match="not seven"):
        batching(7)
    assert batching(8) == 8
