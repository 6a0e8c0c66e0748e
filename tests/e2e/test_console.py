"""The console in a real browser: search, people, audit; with hostile names, and keys of few scopes.

Screenshots at 360 and 1280 pixels lie in the test's folder; `CONSOLE_SHOTS` names another.
"""

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from gait.own_bundle import own_bundle
from tests import clip_files as files
from tests import services
from tests.browser import Browser, browser
from tests.processes import running

pytestmark = [pytest.mark.serving, pytest.mark.slow]

HOSTILE = "<img src=x onerror=alert(1)>“';--"
PEOPLE = {"Ada": 0.8, "Grace": 1.3, HOSTILE: 1.7}
"""Names and how stout they are."""
_PUT = """
(() => {
  const bytes = Uint8Array.from(atob(DATA), (letter) => letter.charCodeAt(0));
  const held = new DataTransfer();
  held.items.add(new File([bytes], NAME));
  const input = document.querySelector('input[type="file"]');
  input.files = held.files;
  input.dispatchEvent(new Event("change"));
})()
"""


def _walk(stout: float, period: int = 10) -> bytes:
    return files.movie(files.walker(40, stout=stout, period=period))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data = tmp_path_factory.mktemp("console") / "data"
    with running("--bundle", own_bundle(), "--data", data) as (_, address):
        for name, stout in PEOPLE.items():
            path = f"/v1/galleries/default/subjects/{requests.utils.quote(name, safe='')}/templates"
            clip = {"clips": _walk(stout)}
            sent = services.AUTHORISATION
            assert requests.post(address + path, data=sent, files=clip, timeout=60).ok
        yield address


@pytest.fixture
def page(address: str, tmp_path: Path) -> Iterator[Browser]:
    with browser(tmp_path / "profile") as page:
        page.open(f"{address}/")
        page.wait("document.querySelector('main').dataset.ready")
        yield page


def _go(page: Browser, route: str) -> None:
    page.run(f"location.hash = {json.dumps(route)}")
    page.wait(f"document.querySelector('main').dataset.shown === {json.dumps(route)}")


def _put(page: Browser, clip: bytes, name: str = "walk.mp4") -> None:
    """Chooses a file in the page's first file field."""
    data = json.dumps(base64.b64encode(clip).decode())
    page.run(_PUT.replace("DATA", data).replace("NAME", json.dumps(name)))


def _type(page: Browser, selector: str, text: str) -> None:
    page.run(
        f"(() => {{ const field = document.querySelector({json.dumps(selector)}); "
        f"field.value = {json.dumps(text)}; field.dispatchEvent(new Event('input')); }})()"
    )


def _text(page: Browser, selector: str = "main") -> Any:
    return page.run(f"document.querySelector({json.dumps(selector)})?.innerText")


def _click(page: Browser, selector: str) -> None:
    page.run(f"document.querySelector({json.dumps(selector)}).click()")


def _shots(page: Browser, folder: Path, name: str) -> None:
    """Pictures at two widths, in light and dark; nothing may be wider than the window."""
    folder = Path(os.environ.get("CONSOLE_SHOTS", folder))
    for width, scheme in ((360, "light"), (1280, "dark"), (360, "dark"), (1280, "light")):
        page.resize(width)
        page.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
        page.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        page.screenshot(folder / f"{name}-{width}-{scheme}.png")
        wide = page.run("document.documentElement.scrollWidth")
        assert wide <= width, f"{name} is {wide} pixels wide in a window of {width}"


def _search(page: Browser, clip: bytes, purpose: str = "entrance 3") -> None:
    _go(page, "#/search")
    _put(page, clip)
    _type(page, "input[name=purpose]", purpose)
    _click(page, "#search button.main")
    page.wait("document.querySelector('[aria-label=Result]').dataset.done")


def test_a_search_shows_verdict_pictures_scale_and_quality(page: Browser, tmp_path: Path) -> None:
    _search(page, _walk(0.8, period=11))
    verdict = page.run("document.querySelector('.verdict').dataset.verdict")
    assert verdict in ("match", "possible", "no_match")
    said = _text(page)
    for words in ("of 1,000 strangers", "Quality ", "At the times that the file says", "simulated"):
        assert words.lower() in said.lower(), words
    assert page.run("document.querySelectorAll('.scale .threshold').length") == 2
    assert page.run("document.querySelector('.strangers').getAttribute('points').length > 100")
    frame = "document.querySelector('canvas').dataset.frame"
    page.run("[...document.querySelectorAll('.film button')].forEach((b) => b.textContent === 'Pause' && b.click())")
    _type(page, ".film input[type=range]", "7")
    assert page.run(frame) == "7"
    lit = "[...c.getContext('2d').getImageData(0, 0, 64, 64).data].filter((v) => v > 250).length"
    assert page.run(f"(() => {{ const c = document.querySelector('canvas'); return {lit}; }})()") > 5000
    _shots(page, tmp_path, "search")
