"""An expiry means the same to a command and over HTTP."""

import doctest
import json
import subprocess
import sys
from pathlib import Path

import pytest

from gait.errors import GalleryError
from gait.modality import Modality
from gallery.enrolment import expiry_date as module
from gallery.enrolment.expiry_date import expiry_date
from tests import services
from tests.galleries import TINY
from tests.services import probe

pytestmark = pytest.mark.serving

TAKEN = {
    "2999-12-31": "3000-01-01T00:00:00+00:00",
    "29991231": "3000-01-01T00:00:00+00:00",
    "2999-12-31T23:59:59Z": "2999-12-31T23:59:59+00:00",
    "2999-12-31T00:30:00+01:00": "2999-12-30T23:30:00+00:00",
    "9999-12-30": "9999-12-31T00:00:00+00:00",
}
REFUSED = (
    *("", "soon", "2999-02-29", "2999-01-01T12:00:00", "2001-01-01", "2001-01-01T00:00:00Z"),
    *("9999-12-31", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "\ud800", "²" * 10),
)


@pytest.mark.parametrize(("text", "moment"), TAKEN.items())
def test_what_is_taken(text: str, moment: str) -> None:
    assert expiry_date(text).isoformat() == moment


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(GalleryError, match="got the expiry"):
        expiry_date(text)


def test_the_examples_hold() -> None:
    result = doctest.testmod(module)
    assert (result.attempted > 0, result.failed) == (True, 0)


def _built(folder: Path, expires: str) -> subprocess.CompletedProcess[str]:
    clips = folder / "clips" / "anna"
    clips.mkdir(parents=True, exist_ok=True)
    (clips / "walk.npz").write_bytes(probe(0, Modality.SILHOUETTE))
    command = [sys.executable, "-m", "gallery.build", str(folder / "clips"), "--bundle", str(TINY)]
    command += ["--out", str(folder / "gallery"), "--authorisation", "x", "--expires", expires]
    command += ["--quality", "off"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_date_is_the_whole_day_for_both(tmp_path: Path) -> None:
    built = _built(tmp_path, "2999-12-31")
    assert built.returncode == 0, built.stderr
    command = [sys.executable, "-m", "gallery.list", "--gallery", str(tmp_path / "gallery")]
    command += ["--subject", "anna", "--json"]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=120)
    with services.opened(tmp_path) as service:
        client = services.client(service)
        fields = {"authorisation": "x", "expires": "2999-12-31"}
        sent = {"clips": probe(0, Modality.SILHOUETTE)}
        path = f"{services.SUBJECTS}/anna"
        assert client.post(f"{path}/templates", files=sent, data=fields).status_code == 201
        over_http = client.get(path).json()["templates"][0]["expires"]
    assert over_http == TAKEN["2999-12-31"]
    assert over_http in json.dumps(json.loads(listed.stdout)), listed


def test_what_is_beyond_time_is_refused_by_both(tmp_path: Path) -> None:
    for text in ("9999-12-31T23:59:59-12:00", "9999-12-31", "0001-01-01T00:00:00+14:00"):
        built = _built(tmp_path, text)
        assert (built.returncode, built.stderr.count("\n")) == (1, 1), built.stderr
    with services.opened(tmp_path) as service:
        client = services.client(service)
        for text in REFUSED[:-2]:
            fields = {"authorisation": "x", "expires": text}
            sent = {"clips": probe(0, Modality.SILHOUETTE)}
            reply = client.post(f"{services.SUBJECTS}/anna/templates", files=sent, data=fields)
            assert (reply.status_code, reply.json()["code"]) == (422, "request.invalid"), text
            assert reply.json()["fields"][0]["field"] == "expires"
            since = client.get("/v1/audit", params={"since": text})
            assert since.status_code in (200, 422), text
        since = client.get("/v1/audit", params={"since": "9999-12-31T23:59:59-12:00"})
        assert (since.status_code, since.json()["code"]) == (422, "audit.invalid")
        stated = json.dumps(client.get("/openapi.json").json())
        assert "it ends with that day in UTC" in stated
