"""What has expired is erased in the background, unless the clock cannot be believed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gallery.record import clock
from serve.work.erasure_rounds import ErasureRounds
from tests import services
from tests.services import enrol

pytestmark = pytest.mark.serving
LATER = 40_000_000_000
"""Seconds since 1970, after the year 3000."""


def test_what_has_expired_is_erased_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=10)
    monkeypatch.setitem(services.AUTHORISATION, "expires", soon.isoformat())
    with services.opened(tmp_path) as service:
        enrol(services.client(service), 2)
        rounds = ErasureRounds(service)
        assert rounds.round() == 0
        monkeypatch.setattr(clock, "now", lambda: int(soon.timestamp()))
        assert rounds.round() == 2
        assert service.audit.last().templates == (1, 2)


def test_a_gallery_that_does_not_believe_the_clock_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with services.opened(tmp_path) as service:
        enrol(services.client(service), 1)
        monkeypatch.setattr(clock, "now", lambda: LATER)
        assert ErasureRounds(service).round() == 0
    assert any("ahead of what" in line for line in caplog.messages)


def test_a_clock_that_jumped_erases_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with services.opened(tmp_path) as service:
        enrol(services.client(service), 1)
        rounds = ErasureRounds(service)
        monkeypatch.setattr("serve.work.erasure_rounds.time.time", lambda: float(LATER))
        assert rounds.round() == 0
        assert service.metrics.registry.get_sample_value("gait_clock_jumps_total") == 1
