"""The first signal asks, the second insists, and afterwards everything is as before."""

import signal

import pytest

from train.loop.interrupt import StopRequest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert not stop.signal
        signal.raise_signal(number)
        assert stop.signal == number
    assert signal.getsignal(number) == before


def test_a_second_interrupt_interrupts() -> None:
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert stop.signal == signal.SIGINT


def test_a_second_termination_would_kill() -> None:
    with StopRequest():
        signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
