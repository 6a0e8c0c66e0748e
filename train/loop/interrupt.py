"""Stopping politely: the first SIGINT or SIGTERM asks, the second one insists."""

import signal
from types import FrameType, TracebackType
from typing import Self


class StopRequest:
    """While entered, notes SIGINT and SIGTERM instead of dying of them; a second one kills.

    `signal` is the number received, or None.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, signal.Handlers | int | None] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)  # type: ignore[assignment]
        return self

    def _note(self, number: int, _: FrameType | None) -> None:
        self.signal = number
        signal.signal(
            number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
