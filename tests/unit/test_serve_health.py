"""What Prometheus is told about an index."""

from pathlib import Path
from typing import cast

import pytest
from prometheus_client import generate_latest

from gallery.gallery import Gallery
from gallery.gallery import Health as GalleryHealth
from serve.work import health
from serve.work.health import Health, HealthMonitor
from tests.services import client, enrol, opened

pytestmark = pytest.mark.serving


class _Gallery:
    """Says of itself what a test sets, and counts how often it is measured."""

    def __init__(self) -> None:
        self.ready, self.behind, self.recall, self.damaged = True, 0, 0.75, (7,)
        self.measured = 0

    def health(self) -> GalleryHealth:
        self.measured += 1
        return GalleryHealth("memory", 4, 0, 1.0, self.recall, self.damaged)


def test_an_index_is_measured_now_and_then_only(monkeypatch: pytest.MonkeyPatch) -> None:
    said, monitor = _Gallery(), HealthMonitor()
    gallery = cast(Gallery, said)
    assert monitor.of(gallery) == monitor.of(gallery) == Health(0.75, 0, 1)
    assert said.measured == 1
    monkeypatch.setattr(health, "EVERY", 0)
    said.recall, said.behind = 0.5, 2
    assert monitor.of(gallery) == Health(0.5, 2, 1)


def test_an_index_is_not_made_by_looking() -> None:
    said = _Gallery()
    said.ready = False
    assert HealthMonitor().of(cast(Gallery, said)) == Health(None, None, 1)
    assert said.measured == 0


def test_the_service_shows_recall_and_lag(tmp_path: Path) -> None:
    with opened(tmp_path) as service:
        enrol(client(service), 3)
        service.measure()
        text = generate_latest(service.metrics.registry).decode()
    assert 'gait_index_recall{gallery="default"} 1.0' in text
    assert 'gait_gallery_revision_lag{gallery="default"} 0.0' in text
