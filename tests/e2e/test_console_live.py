"""The console's page Live in a real browser: who passes, filters, a lost connection, few rights."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
import pytest
import requests

from gait.own_bundle import own_bundle
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.scopes import Scope
from tests import services
from tests.browser import Browser, browser
from tests.console import HOSTILE, go, look, open_page, text, type_in, walk
from tests.processes import running

pytestmark = [pytest.mark.serving, pytest.mark.slow]

_GREY = cv2.imencode(".jpg", np.full((128, 60, 3), 90, np.uint8))[1].tobytes()
JPEG = base64.b64encode(_GREY).decode()
ROWS = "[...document.querySelectorAll('#passing li:not([hidden])')]"


class Site:
    """A service, and a watcher and an onlooker with a key each."""

    address = ""

    def __init__(self, keys: KeyFile) -> None:
        scopes = (Scope.IDENTIFY, Scope.ENROL, Scope.GALLERY_READ, Scope.GALLERY_DELETE)
        self._watcher = {"Authorization": f"Bearer {keys.new(Grant(scopes=scopes)).token}"}
        self.onlooker = keys.new(Grant(scopes=(Scope.LIVE_READ,))).token
        self._tracks = 0

    def ask(self, method: str, path: str, **sent: Any) -> Any:
        reply = requests.request(
            method, self.address + path, headers=self._watcher, timeout=300, **sent
        )
        assert reply.ok, reply.text
        return reply.json()

    def passes(self, stout: float, camera: str, *, picture: bool = False) -> str:
        """Somebody is searched for and told of, as `capture.watch` does it. Returns the verdict."""
        form = {"purpose": "entrance 3"}
        found = self.ask("POST", "/v1/identify", data=form, files={"clip": walk(stout)})
        self._tracks += 1
        told = {"audit_id": found["audit_id"], "decision": found["decision"], "source": camera}
        told |= {"track": self._tracks, "quality": 1, "windows": 3, "seen_seconds": 4.2}
        told |= {"picture": JPEG} if picture else {}
        self.ask("POST", "/v1/live", json=told)
        return str(found["decision"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("live")
    keys = KeyFile(folder / "keys.json")
    arguments = ("--bundle", own_bundle(), "--data", folder / "data", "--keys", keys.path)
    site = Site(keys)
    with running(*arguments) as (_, site.address):
        for row, name in enumerate(("Ada", HOSTILE)):
            path = f"/v1/galleries/default/subjects/{quote(name, safe='')}/templates"
            clip = {"clips": walk(0.8 + 0.9 * row)}
            site.ask("POST", path, data=services.AUTHORISATION, files=clip)
        assert site.passes(0.8, "gate", picture=True) == "match"
        assert site.passes(1.7, "yard <b>") == "match"
        yield site


@pytest.fixture(scope="module")
def page(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as page:
        page.open(f"{site.address}/")
        page.run(f"sessionStorage.setItem('access-key', {json.dumps(site.onlooker)})")
        yield page


@pytest.fixture
def live(page: Browser, site: Site) -> Browser:
    """The page, opened anew."""
    page.resize(1280)
    open_page(page, f"{site.address}/#/live")
    page.wait(f"{ROWS}.length >= 2")
    return page


def test_who_passes_appears_at_the_top_while_the_page_is_open(live: Browser, site: Site) -> None:
    before = live.run(f"{ROWS}.length")
    site.passes(1.7, "yard <b>")
    live.wait(f"{ROWS}.length === {before + 1}")
    assert HOSTILE in live.run(f"{ROWS}[0].innerText")
    assert "yard <b>" in text(live, "#live-status")


def test_names_are_text_and_the_picture_is_drawn(live: Browser, tmp_path: Path) -> None:
    live.wait("[...document.querySelectorAll('#passing canvas')].some((c) => c.width === 60)")
    assert live.run("document.querySelectorAll('main img').length") == 0
    assert HOSTILE in text(live)
    assert live.run("document.querySelectorAll('#passing a').length") == 0, "it may not list people"
    look(live, tmp_path, "live")
    assert live.run("document.title") != "ALARM"


def test_filters_are_kept_by_the_address(live: Browser, site: Site) -> None:
    type_in(live, "#live-filter select[name=camera]", "gate")
    assert live.run(f"{ROWS}.length") == 1
    type_in(live, "#live-filter select[name=verdict]", "found")
    type_in(live, "#live-filter input[name=person]", "AD")
    for _ in range(2):
        assert live.run(f"{ROWS}.map((row) => row.innerText).join()").count("Ada") == 1
        assert live.run("location.hash") == "#/live/gate/found/AD"
        live.reload()
        live.wait("document.querySelector('main')?.dataset.ready")
        live.wait(f"{ROWS}.length === 1")
    type_in(live, "#live-filter select[name=verdict]", "no_match")
    assert live.run(f"{ROWS}.length") == 0
    assert "Nobody has passed" in text(live)


def test_a_lost_connection_is_said_and_taken_up_again(live: Browser, site: Site) -> None:
    live.run("window.kept = fetch; window.fetch = () => Promise.reject(new TypeError()); 0")
    live.wait("document.querySelector('#live-status').textContent.includes('Trying again')")
    before = live.run(f"{ROWS}.length")
    site.passes(0.8, "gate")
    live.run("window.fetch = window.kept; 0")
    live.wait(f"{ROWS}.length === {before + 1}")


def test_it_asks_no_more_once_another_page_is_shown(live: Browser) -> None:
    go(live, "#/system")
    live.run("window.asked = 0; window.kept = fetch; 0")
    live.run("window.fetch = (...a) => { asked += a[0].includes('live'); return kept(...a); }; 0")
    live.run("new Promise((done) => setTimeout(done, 4500))")
    assert live.run("asked") == 0


def test_whoever_is_erased_is_not_shown_again(live: Browser, site: Site) -> None:
    site.ask("DELETE", "/v1/galleries/default/subjects/Ada")
    open_page(live, f"{site.address}/#/live")
    live.reload()
    live.wait("document.querySelector('main')?.dataset.ready")
    live.wait(f"{ROWS}.length >= 1")
    assert "Ada" not in text(live)
