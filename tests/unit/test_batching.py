"""Questions of several threads, answered together."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from gallery.index.batching import Batching, _Waiting

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


class _Interrupted(threading.Event):
    """Of a main thread in which Ctrl-C is pressed once it is its turn."""

    def wait(self, timeout: float | None = None) -> bool:
        assert super().wait(timeout or 30)
        raise KeyboardInterrupt


def test_who_leaves_when_it_is_their_turn_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    go, begun = threading.Event(), threading.Event()

    def answer(questions: Sequence[int]) -> Sequence[int]:
        begun.set()
        assert go.wait(30)
        return questions

    def interrupted(waiting: _Waiting[int, int], question: int) -> None:
        waiting.question, waiting.turn = question, _Interrupted()

    batching = Batching(answer, 4)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(batching, 0)
        assert begun.wait(30)
        with monkeypatch.context() as patch:
            patch.setattr(_Waiting, "__init__", interrupted)
            second = pool.submit(batching, 1)
            while not batching._waiting:
                pass
        third = pool.submit(batching, 2)
        while len(batching._waiting) < 2:
            pass
        go.set()
        assert first.result(30) == 0
        with pytest.raises(KeyboardInterrupt):
            second.result(30)
        assert third.result(30) == 2
        assert pool.submit(batching, 3).result(30) == 3
