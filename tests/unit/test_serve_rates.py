"""Rate limits: how many pass, when more may come, and what is remembered."""

import itertools
import threading
import time
from collections.abc import Iterator

import pytest
from pydantic import TypeAdapter, ValidationError

from gait.errors import RateError
from serve.access import rates
from serve.access.rates import Rate, Rates, rate_headers

pytestmark = pytest.mark.serving


class Clock:
    """The clock, set by hand."""

    def __init__(self) -> None:
        self.now = 1_800.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    with monkeypatch.context() as patch:
        patch.setattr(time, "monotonic", clock)
        yield clock


def test_a_window_moves(clock: Clock) -> None:
    limits = Rates("3/minute", "9/minute", "9/minute")
    for _ in range(3):
        assert not limits.count("key", "a").spent
        clock.now += 10
    refused = limits.count("key", "a")
    assert (refused.spent, refused.left) == (True, 0)
    clock.now += refused.reset
    assert not limits.count("key", "a").spent, "it came back when it was told to"
    assert limits.count("key", "a").spent, "the other two are still in the window"


def test_coming_back_a_second_early_is_too_early(clock: Clock) -> None:
    limits = Rates("1/minute", "9/minute", "9/minute")
    reset = limits.count("key", "a").reset
    assert 60 <= reset <= 61
    clock.now += reset - 1.5
    assert limits.count("key", "a").spent


def test_a_refused_request_is_not_counted(clock: Clock) -> None:
    limits = Rates("2/minute", "9/minute", "9/minute")
    for _ in range(20):
        limits.count("key", "a")
        clock.now += 1
    clock.now += 60 - 20 + 0.5
    assert not limits.count("key", "a").spent


def test_keys_galleries_and_addresses_are_counted_apart() -> None:
    limits = Rates("1/hour", "1/hour", "1/hour")
    for policy in ("key", "gallery", "address"):
        assert not limits.count(policy, "a").spent
        assert not limits.count(policy, "b").spent
        assert limits.count(policy, "a").spent


def test_an_address_is_a_whole_ipv6_network() -> None:
    limits = Rates("9/hour", "9/hour", "1/hour")
    assert not limits.count("address", "2001:db8::1").spent
    assert limits.count("address", "2001:db8::2:ffff").spent
    assert not limits.count("address", "2001:db8:0:1::1").spent
    assert not limits.count("address", "192.0.2.1").spent
    assert not limits.count("address", "192.0.2.2").spent
    assert not limits.count("address", "testclient").spent


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_clock_that_is_set_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, seconds: float
) -> None:
    limits, real = Rates("2/minute", "9/minute", "9/minute"), time.time()
    limits.count("key", "a")
    monkeypatch.setattr(time, "time", lambda: real + seconds)
    assert not limits.count("key", "a").spent
    refused = limits.count("key", "a")
    assert (refused.spent, refused.reset) == (True, 61)
    clock.now += refused.reset
    assert not limits.count("key", "a").spent


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MAX_NAMES", 50)
    limits = Rates("9/hour", "9/hour", "9/hour")
    for number in range(500):
        limits.count("address", f"10.0.{number // 256}.{number % 256}")
        assert len(limits._counted["address"]) <= 50


def test_who_asked_long_ago_is_forgotten_first(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr(rates, "MAX_NAMES", 50)
    limits = Rates("9/hour", "9/hour", "1/minute")
    for number in range(500):
        assert not limits.count("address", f"10.0.{number // 256}.{number % 256}").spent
        clock.now += 3
    assert limits.count("address", "10.0.1.243").spent, "the last one"


def test_no_number_of_addresses_makes_a_key_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MAX_NAMES", 50)
    limits = Rates("1/hour", "9/hour", "9/hour")
    assert not limits.count("key", "a").spent
    for number in range(500):
        limits.count("address", f"10.0.{number // 256}.{number % 256}")
    assert limits.count("key", "a").spent


def test_counting_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", None)
    limits = Rates("100/minute", "9/minute", "9/minute")
    for _ in range(3):
        limits.count("key", "a")
        time.sleep(0.02)


def test_threads_cannot_take_more_than_there_is() -> None:
    limits, passed = Rates("100/hour", "9/hour", "9/hour"), itertools.count()

    def ask() -> None:
        for _ in range(50):
            if not limits.count("key", "a").spent:
                next(passed)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert next(passed) == 100


def test_the_refusal_says_when_to_come_back() -> None:
    limits = Rates("1/minute", "9/minute", "9/minute")
    limits.count("key", "a")
    error = limits.count("key", "a").error()
    assert isinstance(error, RateError)
    assert error.fields["limit"] == "key"
    assert error.fields["retry_after"] in (60, 61)


def test_headers_name_each_limit() -> None:
    limits = Rates("5/minute", "7/hour", "9/minute")
    headers = rate_headers([limits.count("key", "a"), limits.count("gallery", "g")])
    assert headers["RateLimit-Policy"] == '"key";q=5;w=60, "gallery";q=7;w=3600'
    assert headers["RateLimit"].startswith('"key";r=4;t=6')
    assert ', "gallery";r=6;t=360' in headers["RateLimit"]


@pytest.mark.parametrize("rate", ["", "600", "0/minute", "-1/second", "9/fortnight", "1/second;2"])
def test_a_rate_that_is_none_is_refused(rate: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Rate).validate_python(rate)
