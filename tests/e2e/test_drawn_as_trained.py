"""Point clouds are drawn as the network's training pictures were, at every door."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from capture.recording import find_people
from gait.decode import Limits, decode_clip
from gait.range_style import RangeStyle
from gallery import build, identify
from gallery.network.encoder import Encoder
from tests import clip_files as files
from tests import services
from tests.e2e.test_tracks_route import TWO, recording
from tests.galleries import TINY, scattering
from tests.raster_walkers import walker
from tests.services import PURPOSE

pytestmark = pytest.mark.serving
CLOUDS = files.npz(**{str(k): walker(k, np.arange(-25, 15, 0.2)) for k in range(6)})
SIMILAR = 0.9999


@pytest.fixture(scope="module", params=RangeStyle)
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of either style."""
    if request.param is RangeStyle.BINS:
        return TINY
    return scattering(TINY, tmp_path_factory.mktemp("style") / "bundle")


@pytest.fixture(scope="module")
def encoder(bundle: Path) -> Encoder:
    return Encoder.load(bundle, threads=1)


@pytest.fixture(scope="module")
def client(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with services.opened(tmp_path_factory.mktemp("service"), bundle=bundle) as service:
        yield services.client(service)


def test_a_service_draws_so(client: TestClient, encoder: Encoder) -> None:
    reply = client.post("/v1/embed", files={"clips": CLOUDS}, data=PURPOSE).json()
    got = np.array(reply["embeddings"][0]["embedding"])
    fit = {}
    for style in RangeStyle:
        (want,) = encoder.embed([decode_clip(CLOUDS, style=style).clip])
        fit[style] = float(got @ want)
    assert fit.pop(encoder.range_style) > SIMILAR
    assert max(fit.values()) < SIMILAR, "the other style gives something else"
    (model,) = client.get("/v1/models").json()["models"]
    assert model["range_style"] == encoder.range_style


def test_a_recording_is_drawn_so(client: TestClient, encoder: Encoder) -> None:
    data = recording(TWO)
    reply = client.post("/v1/tracks", files={"recording": data}, data=PURPOSE).json()
    assert reply["people"]
    drawn = {
        style: [each.decoded for each in find_people(data, limits=Limits(), style=style)]
        for style in RangeStyle
    }
    first = [each[0].clip.frames for each in drawn.values() if each[0] is not None]
    assert len(first) == len(RangeStyle)
    assert (first[0] != first[1]).any()


def test_a_gallery_is_built_and_asked_so(
    bundle: Path,
    encoder: Encoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "people" / "ada").mkdir(parents=True)
    (tmp_path / "people" / "ada" / "walk.npz").write_bytes(CLOUDS)
    where = ["--bundle", str(bundle)]
    own = [str(tmp_path / "people"), "--out", str(tmp_path / "g"), "--authorisation", "consent"]
    rest = ["--expires", "2999-01-01", "--quality", "off"]
    monkeypatch.setattr("sys.argv", ["build", *own, *rest, *where])
    build.main()
    capsys.readouterr()
    np.save(tmp_path / "same.npy", decode_clip(CLOUDS, style=encoder.range_style).clip.frames)
    (tmp_path / "clouds.npz").write_bytes(CLOUDS)
    for name in ("same.npy", "clouds.npz"):
        asked = [str(tmp_path / name), "--gallery", str(tmp_path / "g"), "--quality", "off"]
        monkeypatch.setattr("sys.argv", ["identify", *asked, "--json", "--all-candidates"])
        identify.main()
        found = json.loads(capsys.readouterr().out)
        assert found["candidates"][0]["similarity"] > SIMILAR, found
