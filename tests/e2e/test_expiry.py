"""What has expired is erased in the background, unless the clock cannot be believed."""

import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gait.modality import Modality
from gallery import expire
from gallery.record import clock
from serve.work.erasure_rounds import ErasureRounds
from serve.work.service import Service
from tests import services
from tests.services import probe

pytestmark = pytest.mark.serving
HOUR, DAY, YEAR = 3600, 86_400, 31_557_600


@pytest.fixture(params=["folder", "postgres"])
def galleries(request: pytest.FixtureRequest) -> str | None:
    """Where the service keeps its galleries: in its data folder, or in PostgreSQL."""
    if request.param == "folder":
        return None
    url: str = request.getfixturevalue("postgres_url")
    return url


def _enrol(service: Service, subject: str, person: int, expires: int) -> None:
    until = datetime.fromtimestamp(expires, UTC).isoformat()
    reply = services.client(service).post(
        f"{services.SUBJECTS}/{subject}/templates",
        files={"clips": ("clip", probe(person, Modality.SILHOUETTE))},
        data={"authorisation": "test", "expires": until},
    )
    assert reply.status_code == 201, reply.text


def _ahead(service: Service) -> float | None:
    labels = {"gallery": "default"}
    found: float | None = service.metrics.registry.get_sample_value(
        "gait_clock_ahead_seconds", labels
    )
    return found


def test_what_has_expired_is_erased_and_recorded(
    tmp_path: Path, galleries: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now()
    with services.opened(tmp_path, galleries=galleries) as service:
        _enrol(service, "anna", 0, now + HOUR)
        _enrol(service, "bert", 1, now + YEAR)
        rounds = ErasureRounds(service)
        assert rounds.round() == 0
        monkeypatch.setattr(clock, "now", lambda: now + 2 * HOUR)
        assert rounds.round() == 1
        assert service.audit.last().templates == (1,)
        assert _ahead(service) == 0


def test_a_clock_a_year_ahead_erases_what_ends_within_a_day_and_says_so(
    tmp_path: Path,
    galleries: str | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = clock.now()
    with services.opened(tmp_path, galleries=galleries) as service:
        client, rounds = services.client(service), ErasureRounds(service)
        _enrol(service, "today", 0, now + HOUR)
        _enrol(service, "within the year", 1, now + 30 * DAY)
        _enrol(service, "later", 2, now + 2 * YEAR)
        with monkeypatch.context() as moved, caplog.at_level(logging.ERROR, "serve"):
            moved.setattr(clock, "now", lambda: now + YEAR)
            assert [rounds.round() for _ in range(5)] == [1, 0, 0, 0, 0]
            found = services.identify(client, probe(1, Modality.SILHOUETTE)).json()
            assert [each["subject"] for each in found["candidates"]] == ["later"]
        assert (_ahead(service) or 0) > 360 * DAY
        assert "set the clock right" in caplog.text
        assert "gallery.expire --trust-clock --gallery" in caplog.text
        assert rounds.round() == 0
        assert _ahead(service) == 0
        found = services.identify(client, probe(1, Modality.SILHOUETTE)).json()
        assert found["candidates"][0]["subject"] == "within the year"
        place = galleries or str(tmp_path / "data" / "galleries" / "default")
        with monkeypatch.context() as moved:
            moved.setattr(clock, "now", lambda: now + YEAR)
            moved.setattr("sys.argv", ["expire", "--trust-clock", "--gallery", place])
            expire.main()
        assert client.get(f"{services.SUBJECTS}/within the year").status_code == 404
        assert client.get(f"{services.SUBJECTS}/later").status_code == 200
