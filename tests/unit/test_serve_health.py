"""What Prometheus is told about an index."""

from pathlib import Path
from typing import cast

import pytest
from prometheus_client import generate_latest

from gallery.gallery import Gallery
from gallery.gallery import Health as GalleryHealth
from serve.work import health as condition
from serve.work.health import Health, HealthMonitor
from tests.services import client, enrol, opened

pytestmark = pytest.mark.serving


class _Index:
    """Says of itself what a test sets, and counts how often it is measured."""

    def __init__(self) -> None:
        self.revision, self.ready, self.recall, self.measured = 3, True, 0.75, 0

    def health(self) -> GalleryHealth:
        self.measured += 1
        return GalleryHealth("memory", 4, 0, 1.0, self.recall, ())


def test_an_index_is_measured_now_and_then_only(monkeypatch: pytest.MonkeyPatch) -> None:
    index, conditions = _Index(), HealthMonitor()
    gallery = cast(Gallery, index)
    assert conditions.of(gallery) == conditions.of(gallery) == Health(0.75, 0)
    assert index.measured == 1
    monkeypatch.setattr(condition, "EVERY", 0)
    index.recall = 0.5
    assert conditions.of(gallery) == Health(0.5, 0)


def test_an_index_behind_its_gallery_is_not_built_by_looking() -> None:
    index, conditions = _Index(), HealthMonitor()
    gallery = cast(Gallery, index)
    index.ready = False
    assert conditions.of(gallery) == Health(None, 3)
    index.ready = True
    conditions.of(gallery)
    index.ready, index.revision = False, 5
    assert conditions.of(gallery) == Health(0.75, 2)
    assert index.measured == 1


def test_the_service_shows_recall_and_lag(tmp_path: Path) -> None:
    with opened(tmp_path) as service:
        enrol(client(service), 3)
        service.measure()
        text = generate_latest(service.metrics.registry).decode()
    assert 'gait_index_recall{gallery="default"} 1.0' in text
    assert 'gait_gallery_revision_lag{gallery="default"} 0.0' in text
