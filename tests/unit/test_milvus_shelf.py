"""Galleries of a service in Milvus (Lite here)."""

from pathlib import Path

import pytest

from gait.errors import ConfigError, ContractMismatchError, GalleryNotFoundError, StorageError
from gait.manifest import Manifest
from gait.modality import Modality
from gallery.galleries import Galleries
from gallery.gallery import Gallery
from gallery.milvus.ledger import Ledger
from gallery.milvus.shelf import Collections
from serve.service import Service
from serve.settings import load_settings
from tests import services
from tests.galleries import TINY, enrolments

pytest.importorskip("pymilvus", reason="needs pymilvus and milvus-lite, the extra `milvus`")
pytestmark = pytest.mark.serving

NAMES = ["a", "a_ledger", "site-7", "site_7"]
CONTRACT = Manifest.load(TINY).contract


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Of a Milvus without galleries."""
    return f"milvus+lite:{tmp_path}/m.db"


def test_galleries_are_made_kept_apart_and_deleted(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Collections(url, TINY)
    with Galleries(shelf, TINY, CONTRACT) as galleries:
        for name, person in zip(NAMES, enrolments(NAMES), strict=True):
            assert galleries.create(name, lambda g, p=person: g.enrol([p])) == [1]  # type: ignore[misc]
        assert galleries.names() == sorted(NAMES)
        for name in NAMES:
            with galleries.use(name) as gallery:
                assert [subject.name for subject in gallery.subjects()] == [name]
                assert gallery.bundle == TINY
        galleries.delete("a", _nobody)
        assert galleries.names() == sorted(NAMES[1:])
        with pytest.raises(GalleryNotFoundError), galleries.use("a"):
            pass
        with galleries.use("a_ledger") as gallery:
            assert gallery.counts().templates == 1
        with pytest.raises(ContractMismatchError):
            shelf.open("site-7", "another")

        with monkeypatch.context() as cut:
            cut.setattr(Ledger, "drop", _fails)
            with pytest.raises(StorageError):
                galleries.delete("site_7", _nobody)
        assert not shelf.holds("site_7")
        assert shelf.holds("site-7")
        assert galleries.create("site_7", lambda gallery: gallery.counts().templates) == 0


def _nobody(_: Gallery) -> None:
    """Erases nobody."""


def _fails(_: Ledger) -> None:
    raise StorageError("the line is cut")


@pytest.mark.parametrize("url", ["http://host", "milvus://host/people", "milvus+lite:/m", "people"])
def test_what_is_no_place_for_galleries_is_said(url: str) -> None:
    with pytest.raises(ConfigError, match=r"without a collection|Milvus Lite needs"):
        Collections(url, TINY)


def test_the_service_keeps_people_where_it_is_told(url: str, tmp_path: Path) -> None:
    with services.opened(tmp_path, galleries=url) as service, services.client(service) as client:
        services.enrol(client, 2)
        reply = services.identify(client, services.probe(1, Modality.SILHOUETTE, seed=1))
        assert reply.json()["candidates"][0]["subject"] == "p001"
    assert Collections(url, TINY).names() == ["default"]
    assert not (tmp_path / "data" / "galleries" / "default").exists()


def test_without_a_bundle_the_service_says_so(url: str, tmp_path: Path) -> None:
    settings = load_settings(data=tmp_path / "data", galleries=url)
    with pytest.raises(ConfigError, match="give --bundle"):
        Service.open(settings)
