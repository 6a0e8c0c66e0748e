"""What has expired is erased in the background, unless the clock cannot be believed."""

import asyncio
import logging
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gait.errors import GalleryNotFoundError
from gait.modality import Modality
from gallery import expire
from gallery.gallery import Gallery
from gallery.opening import create_gallery, open_gallery
from gallery.record import clock
from gallery.template import Authorisation
from serve.work.erasure_rounds import ErasureRounds
from serve.work.service import Service
from tests import services
from tests.galleries import TINY, enrolment, other_bundle, random_embeddings
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


def _other(tmp_path: Path, galleries: str | None) -> str:
    """Where a service keeps a gallery of the name `other`."""
    folder = tmp_path / "data" / "galleries" / "other"
    return f"{galleries}?gallery=other" if galleries else str(folder)


def _gallery_of_another_model(place: str, tmp_path: Path, expires: int) -> None:
    until = Authorisation("test", datetime.fromtimestamp(expires, UTC))
    vector = random_embeddings(1)[0]
    with create_gallery(place, other_bundle(tmp_path / "other-bundle")) as gallery:
        gallery.enrol([enrolment("cleo", vector, authorisation=until)])


def test_what_has_expired_is_erased_from_a_gallery_of_another_model_too(
    tmp_path: Path, galleries: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now()
    with services.opened(tmp_path, galleries=galleries) as service:
        place = _other(tmp_path, galleries)
        _gallery_of_another_model(place, tmp_path, now + HOUR)
        if not galleries:
            (Path(place) / "bundle" / "manifest.json").write_text("{")
        rounds = ErasureRounds(service)
        assert rounds.round() == 0
        monkeypatch.setattr(clock, "now", lambda: now + 2 * HOUR)
        assert rounds.round() == 1
        assert service.audit.last().gallery == "other"
        assert service.audit.last().templates == (1,)
        reply = services.client(service).get("/v1/galleries/other")
        assert reply.json()["code"] == "gallery.contract", "it is not served all the same"
        with open_gallery(place, any_model=True) as gallery:
            assert gallery.counts().subjects == 0


def test_a_clock_that_jumped_is_not_believed_hour_by_hour_there_either(
    tmp_path: Path, galleries: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another model's gallery: 26 hours once, and not in each of the hourly rounds."""
    now = clock.now()
    with services.opened(tmp_path, galleries=galleries) as service:
        place = _other(tmp_path, galleries)
        _gallery_of_another_model(place, tmp_path, now + 3 * DAY)
        monkeypatch.setattr(clock, "now", lambda: now + YEAR)
        assert [ErasureRounds(service).round() for _ in range(5)] == [0] * 5


def test_people_can_be_removed_from_a_gallery_of_another_model(
    tmp_path: Path, galleries: str | None
) -> None:
    with services.opened(tmp_path, galleries=galleries) as service:
        place = _other(tmp_path, galleries)
        _gallery_of_another_model(place, tmp_path, clock.now() + YEAR)
        client = services.client(service)
        cleo = "/v1/galleries/other/subjects/cleo"
        assert client.get(cleo).json()["code"] == "gallery.contract"
        reply = client.delete(cleo)
        assert reply.status_code == 200, reply.text
        assert reply.json()["receipt"]["subject"] == "cleo"
        assert client.delete(cleo).status_code == 404
        with open_gallery(place, any_model=True) as gallery:
            assert gallery.counts().subjects == 0


def test_a_gallery_of_another_model_is_erased_as_a_whole(
    tmp_path: Path, galleries: str | None
) -> None:
    with services.opened(tmp_path, galleries=galleries) as service:
        _gallery_of_another_model(_other(tmp_path, galleries), tmp_path, clock.now() + YEAR)
        client = services.client(service)
        assert client.delete("/v1/galleries/other").status_code == 422, "everyone is to be meant"
        reply = client.delete("/v1/galleries/other?everyone=true")
        assert reply.status_code == 200, reply.text
        assert [each["subject"] for each in reply.json()["receipts"]] == ["cleo"]
        assert service.galleries.names() == ["default"]
        made = client.post("/v1/galleries", json={"gallery": "other"})
        assert made.json()["contract"] == service.encoder.contract, made.text


def test_a_gallery_of_another_model_that_is_gone_is_not_found(tmp_path: Path) -> None:
    with services.opened(tmp_path) as service:
        place = Path(_other(tmp_path, None))
        _gallery_of_another_model(str(place), tmp_path, clock.now() + YEAR)
        client, paths = services.client(service), "/v1/galleries/other/subjects"
        assert client.delete(f"{paths}/nobody").json()["code"] == "gallery.subject_not_found"

        def vanish(_: Gallery) -> None:
            shutil.rmtree(place)
            raise GalleryNotFoundError(f"there is none at {place}")

        with pytest.raises(GalleryNotFoundError) as caught:
            asyncio.run(service.on("other", vanish, erases=True))
        assert str(caught.value) == "there is no gallery 'other'"
        assert client.delete(f"{paths}/cleo").json()["code"] == "gallery.not_found"


def test_galleries_that_cannot_be_served_are_named_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "data" / "galleries"
    with services.opened(tmp_path) as service:
        _gallery_of_another_model(str(root / "centred"), tmp_path, clock.now() + YEAR)
        create_gallery(root / "Site-7", TINY).close()
        create_gallery(root / "damaged", TINY).close()
        (root / "damaged" / "gallery.db").write_bytes(b"none")
        create_gallery(root / "site-8", TINY).close()
        for _ in range(2):
            ErasureRounds(service).round()
        said = [line for line in caplog.messages if "is not served" in line]
        ready = services.client(service).get("/readyz").json()
        root.joinpath("Site-7").rename(root / "site-7")
        service.look_around()
        assert list(service.unserved) == ["centred", "damaged"]
    assert len(said) == 3
    assert (
        "the gallery Site-7 is not served (gallery.invalid): a gallery's name is 1..58" in said[0]
    )
    assert "rename the folder" in said[0]
    assert "serve that model with a service of its own" in said[1]
    assert "the gallery damaged is not served" in said[2]
    assert ready["unserved"] == 3
    codes = {each["gallery"]: each["code"] for each in ready["unserved_galleries"]}
    assert codes["Site-7"] == "gallery.invalid"
    assert codes["centred"] == "gallery.contract"


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
