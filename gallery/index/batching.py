"""Questions of several threads, answered together: one scan of all codes serves everybody."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


@dataclass(eq=False)
class _Waiting(Generic[Q, A]):
    question: Q
    turn: threading.Event = field(default_factory=threading.Event)
    answered: bool = False
    answer: A | None = None
    error: BaseException | None = None


class Batching(Generic[Q, A]):
    """Passes on what threads ask meanwhile as one list, once the list before it is answered.

    A thread that asks while nobody else does is answered at once and by itself. No thread of its
    own is needed: the first of those who wait answers for all of them.

    Args:
        answer: answers for a list of questions, in their order.
        most: questions in a list.
    """

    def __init__(self, answer: Callable[[Sequence[Q]], Sequence[A]], most: int) -> None:
        self._answer, self._most = answer, most
        self._lock = threading.Lock()
        self._waiting: list[_Waiting[Q, A]] = []
        self._busy = False

    def __call__(self, question: Q) -> A:
        """The answer to one question; waits for it.

        Raises:
            What `answer` raises, for every question of the list.
        """
        mine = _Waiting[Q, A](question)
        with self._lock:
            self._waiting.append(mine)
            first, self._busy = not self._busy, True
        if not first:
            try:
                mine.turn.wait()
            except BaseException:  # Ctrl-C: nobody must wait for a leader who has left
                self._leave(mine)
                raise
        if not mine.answered:
            self._lead(mine)
        if mine.error is not None:
            raise mine.error
        assert mine.answer is not None
        return mine.answer

    def _lead(self, mine: _Waiting[Q, A]) -> None:
        """Answers the next list, which begins with the leader's own question."""
        with self._lock:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        assert batch[0] is mine
        try:
            answers = self._answer([each.question for each in batch])
            for each, answer in zip(batch, answers, strict=True):
                each.answer = answer
        except BaseException as error:
            for each in batch:
                each.error = error
            if not isinstance(error, Exception):
                raise
        finally:
            with self._lock:
                self._hand_over()
            for each in batch:
                each.answered = True
                each.turn.set()

    def _leave(self, mine: _Waiting[Q, A]) -> None:
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
                if mine.turn.is_set():  # it was to lead
                    self._hand_over()

    def _hand_over(self) -> None:
        self._busy = bool(self._waiting)
        if self._waiting:
            self._waiting[0].turn.set()
