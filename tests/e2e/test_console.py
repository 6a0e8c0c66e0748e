"""The console in a real browser: every page, hostile names, and a key of few scopes.

Screenshots at 360, 1280 and 3840 pixels lie in the test's folder; `CONSOLE_SHOTS` names another.
"""

import base64
import json
import os
from collections.abc import Iterator
from importlib.resources import files as files_of
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from gait.own_bundle import own_bundle
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.scopes import Scope
from serve.page import PAGE
from tests import clip_files as files
from tests import services
from tests.browser import Browser, browser
from tests.e2e.test_tracks_route import TWO, recording
from tests.galleries import TINY
from tests.processes import running

pytestmark = [pytest.mark.serving, pytest.mark.slow]

HOSTILE = "<img src=x onerror=alert(1)>“';--"
PEOPLE = {"Ada": 0.8, "Grace": 1.3, HOSTILE: 1.7}
"""Names and how stout they are."""
AXE = files_of("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
_PUT = """
(() => {
  const held = new DataTransfer();
  for (const [name, data] of FILES) {
    held.items.add(new File([Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))], name));
  }
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
            path = f"/v1/galleries/default/subjects/{quote(name, safe='')}/templates"
            clip = {"clips": _walk(stout)}
            sent = services.AUTHORISATION | ({"keep_pictures": "true"} if name == "Ada" else {})
            assert requests.post(address + path, data=sent, files=clip, timeout=300).ok
        yield address


@pytest.fixture(scope="module")
def opened(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as page:
        page.open(f"{address}/")
        yield page


@pytest.fixture
def page(opened: Browser, address: str) -> Browser:
    """The console as it is opened anew."""
    opened.resize(1280)
    _open(opened, f"{address}/")
    return opened


def _open(page: Browser, address: str) -> None:
    """Goes to an address; the tab, and so its session storage, stays."""
    page.go(address)
    page.wait("document.querySelector('main')?.dataset.ready")
    page.run("window.alert = () => { document.title = 'ALARM'; }")


def _go(page: Browser, route: str) -> None:
    page.run(f"location.hash = {json.dumps(route)}")
    page.wait(f"document.querySelector('main').dataset.shown === {json.dumps(route)}")


def _put(page: Browser, **clips: bytes) -> None:
    """Chooses files in the page's first file field."""
    chosen = [(name, base64.b64encode(clip).decode()) for name, clip in clips.items()]
    page.run(_PUT.replace("FILES", json.dumps(chosen)))


def _type(page: Browser, selector: str, text: str) -> None:
    page.run(
        f"(() => {{ const field = document.querySelector({json.dumps(selector)}); "
        f"field.value = {json.dumps(text)}; "
        "field.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )


def _text(page: Browser, selector: str = "main") -> Any:
    return page.run(f"document.querySelector({json.dumps(selector)})?.innerText")


def _click(page: Browser, selector: str) -> None:
    page.run(f"document.querySelector({json.dumps(selector)}).click()")


def _look(page: Browser, folder: Path, name: str) -> None:
    """Pictures at three widths, light and dark; nothing may be wider than the window, and axe-core
    finds nothing that keeps people from using it."""
    folder = Path(os.environ.get("CONSOLE_SHOTS", folder))
    page.run(f"{AXE}; 0")
    for width, scheme in ((360, "light"), (1280, "dark"), (3840, "light")):
        page.resize(width)
        page.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
        page.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        page.screenshot(folder / f"{name}-{width}-{scheme}.png")
        wide = page.run("document.documentElement.scrollWidth")
        assert wide <= width, f"{name} is {wide} pixels wide in a window of {width}"
        found = json.loads(page.run("axe.run().then((r) => JSON.stringify(r.violations))"))
        told = [(each["id"], [n["html"][:200] for n in each["nodes"]]) for each in found]
        assert told == [], f"{name}, {width} pixels, {scheme}"


def _search(page: Browser, clip: bytes, purpose: str = "entrance 3") -> None:
    _go(page, "#/search")
    _put(page, walk=clip)
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
    _type(page, ".film input[type=range]", "7")
    assert page.run(frame) == "7"
    lit = "[...c.getContext('2d').getImageData(0, 0, 64, 64).data].filter((v) => v > 250).length"
    assert (
        page.run(f"(() => {{ const c = document.querySelector('canvas'); return {lit}; }})()")
        > 5000
    )
    assert "Ada: template" in said, "the kept picture of the first candidate"
    assert page.run("document.querySelectorAll('.side canvas').length") == 2
    _look(page, tmp_path, "search")


def test_a_clip_that_cannot_be_used_is_told_in_words(page: Browser) -> None:
    _search(page, b"no clip at all")
    assert "decode.format" in _text(page, "[role=alert]")
    assert not page.run("document.querySelector('.verdict')")


def test_everybody_in_a_recording_gets_a_verdict(page: Browser, tmp_path: Path) -> None:
    _go(page, "#/search")
    _put(page, scene=recording(TWO, scans=30))
    _click(page, "input[value=recording]")
    _type(page, "input[name=purpose]", "entrance 3")
    _click(page, "#search button.main")
    page.wait("document.querySelector('[aria-label=Result]').dataset.done")
    cards = page.run("document.querySelectorAll('article').length")
    assert cards >= 2
    assert page.run("document.querySelectorAll('article .verdict').length") == cards
    assert f"{cards} in the recording" in _text(page)
    assert page.run("document.querySelectorAll('article canvas').length") >= cards
    _look(page, tmp_path, "recording")


def test_names_are_text_whatever_they_hold(page: Browser, tmp_path: Path) -> None:
    _go(page, "#/people")
    page.wait("document.querySelectorAll('#find ~ div td').length >= 12")
    assert HOSTILE in _text(page)
    assert page.run("document.querySelectorAll('main img').length") == 0
    _type(page, "#find input", "IMG")
    _click(page, "#find button")
    page.wait("document.querySelectorAll('#find ~ div tbody tr').length === 1")
    _click(page, "#find ~ div td a")
    page.wait("document.querySelector('h1').textContent.includes('onerror')")
    assert page.run("document.querySelector('h1').textContent") == HOSTILE
    _look(page, tmp_path, "person")
    assert page.run("document.title") != "ALARM"


def test_people_are_enrolled_after_a_look_extended_and_erased(
    page: Browser, address: str, tmp_path: Path
) -> None:
    _go(page, "#/people/default//enrol")
    _type(page, "input[name=subject]", "Mary")
    _put(page, good=_walk(1.15, period=9), bad=b"no clip", same=_walk(0.8))
    _type(page, "input[name=authorisation]", "form 9")
    _type(page, "input[name=expires]", "2999-01-01")
    _click(page, "input[name=keep_pictures]")
    assert page.run("document.querySelector('#store').disabled")
    _click(page, "#enrol button.main")
    page.wait("document.querySelector('[aria-label=Result]').dataset.done === 'checked'")
    said = _text(page)
    assert "decode.format" in said
    assert "is enrolled already under" in said
    _look(page, tmp_path, "enrol")
    known = f"{address}/v1/galleries/default/subjects/Mary"
    assert requests.get(known, timeout=300).status_code == 404, "a look stores nothing"
    _type(page, "input[name=authorisation]", "form 10")
    assert page.run("document.querySelector('#store').disabled"), "what was changed is checked anew"
    _click(page, "#enrol button.main")
    page.wait("!document.querySelector('#store').disabled")
    _click(page, "#store")
    page.wait("document.querySelector('[aria-label=Result]').dataset.done === 'stored'")
    assert len(requests.get(known, timeout=300).json()["templates"]) == 2
    _go(page, "#/people/default/Mary")
    _click(page, "main td button[aria-label^='Show the picture']")
    page.wait("document.querySelector('#pictures canvas')?.dataset.frame")
    _look(page, tmp_path, "person_with_picture")
    _type(page, "#extend input[name=authorisation]", "form 11")
    _type(page, "#extend input[name=expires]", "2998-06-06")
    _click(page, "#extend button")
    page.wait("document.querySelector('#said').textContent.includes('2998-06-07')")
    _click(page, "#erase")
    page.wait("document.querySelector('dialog[open]')")
    assert page.run("document.querySelector('dialog .danger').disabled"), "the name is typed first"
    _type(page, "dialog input", "Mary")
    _click(page, "dialog .danger")
    page.wait("document.querySelector('#receipt')")
    assert "was destroyed" in _text(page, "#receipt")
    assert requests.get(known, timeout=300).status_code == 404


def test_two_names_of_one_person_are_merged(page: Browser, address: str) -> None:
    _go(page, "#/people/default//enrol")
    _type(page, "input[name=subject]", "Graze")
    _put(page, clip=_walk(1.32, period=9))
    _type(page, "input[name=authorisation]", "form 12")
    _type(page, "input[name=expires]", "2999-01-01")
    _click(page, "#enrol input[name=new_person]")
    _click(page, "#enrol button.main")
    page.wait("!document.querySelector('#store').disabled")
    _click(page, "#store")
    page.wait("document.querySelector('[aria-label=Result]').dataset.done === 'stored'")
    _go(page, "#/people/default/Graze")
    _type(page, "#merge input", "Grace")
    _click(page, "#merge button")
    page.wait("document.querySelector('dialog[open]')")
    _type(page, "dialog input", "Graze")
    _click(page, "dialog .danger")
    page.wait("document.querySelector('h1').textContent === 'Grace'")
    people = requests.get(f"{address}/v1/galleries/default/subjects/Grace", timeout=300).json()
    assert len(people["templates"]) == 2
    gone = f"{address}/v1/galleries/default/subjects/Graze"
    assert requests.get(gone, timeout=300).status_code == 404


def test_a_search_can_be_cancelled(page: Browser) -> None:
    _go(page, "#/search")
    _put(page, walk=_walk(0.8))
    _type(page, "input[name=purpose]", "entrance 3")
    _click(page, "#search button.main")
    _click(page, ".working button")
    page.wait("document.querySelector('[aria-label=Result]').dataset.done")
    assert "Cancelled" in _text(page, "[aria-label=Result]")
    assert not page.run("document.querySelector('#search button.main').disabled")


def test_the_records_are_searched_and_verified(page: Browser, tmp_path: Path) -> None:
    _search(page, _walk(1.3), purpose="lost child 17")
    _go(page, "#/audit")
    assert "lost child 17" in _text(page, "#records")
    _click(page, "#verify button")
    page.wait("document.querySelector('#verified input')")
    assert "each as it was written" in _text(page, "#verified")
    assert len(page.run("document.querySelector('#verified input').value")) == 64
    _look(page, tmp_path, "audit")


def test_a_case_is_judged_by_keyboard(page: Browser, address: str, tmp_path: Path) -> None:
    _search(page, _walk(1.3), purpose="entrance 4")
    _go(page, "#/review")
    page.run("document.querySelector('#queue').focus()")
    for _ in range(20):
        page.press("n")
    before = page.run("document.querySelector('#queue h2').textContent")
    said = _text(page, "#statistics")
    assert "nothing against the promise" in said
    _put(page, walk=_walk(1.3))
    page.wait("document.querySelector('#queue .note')")
    assert "the very file" in _text(page, "#queue .note")
    assert page.run("document.querySelectorAll('#queue canvas').length") >= 1
    _look(page, tmp_path, "review")
    _type(page, "#queue input[name=reviewer]", "badge 311")
    page.run("document.querySelector('#queue').focus()")
    page.press("1")
    page.wait(
        f"document.querySelector('#queue').innerText.split('\\n')[0] !== {json.dumps(before)}"
    )
    reviews = requests.get(f"{address}/v1/reviews", timeout=300).json()["reviews"]
    assert (reviews[-1]["verdict"], reviews[-1]["reviewer"]) == ("confirmed", "badge 311")


@pytest.mark.parametrize("name", ["system", "reference", "people"])
def test_the_other_pages(page: Browser, tmp_path: Path, name: str) -> None:
    _go(page, f"#/{name}")
    assert not page.run("document.querySelector('[role=alert]')"), _text(page)
    _look(page, tmp_path, name)


def test_a_key_shows_what_it_may_and_outlasts_a_reload(opened: Browser, tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    token = keys.new(Grant(scopes=(Scope.IDENTIFY,))).token
    arguments = ("--bundle", TINY, "--data", tmp_path / "data", "--keys", keys.path)
    with running(*arguments) as (_, address):
        _open(opened, f"{address}/")
        assert "access.key" in _text(opened)
        _type(opened, "#key", token)
        _click(opened, "#key-form button")
        opened.wait("document.querySelector('#search')")
        for _ in range(2):
            pages = opened.run("[...document.querySelectorAll('nav a')].map((a) => a.textContent)")
            assert pages == ["Search", "System", "API"]
            _open(opened, f"{address}/#/audit")  # the key is still there
            assert "audit:read" in _text(opened)
        kept = "Object.values(sessionStorage).join() + Object.values(localStorage).join()"
        assert token in opened.run(kept)
        _click(opened, "#forget")
        opened.wait("document.querySelector('[role=alert]')")
        assert token not in opened.run(kept)
        assert opened.run("document.cookie") == ""


def test_keys_are_made_rotated_and_revoked(opened: Browser, tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    token = keys.new(Grant(scopes=(Scope.ADMIN,))).token
    arguments = ("--bundle", TINY, "--data", tmp_path / "data", "--keys", keys.path)
    with running(*arguments) as (_, address):
        opened.resize(1280)
        _open(opened, f"{address}/")
        opened.run(f"sessionStorage.setItem('access-key', {json.dumps(token)})")
        _open(opened, f"{address}/#/system")
        _click(opened, "#new-key input[value=verify]")
        _type(opened, "#new-key input[name=note]", HOSTILE)
        _click(opened, "#new-key button")
        opened.wait("document.querySelectorAll('tbody tr button.danger').length === 2")
        made = _text(opened, "section code")
        identity = made.partition(".")[0]
        assert HOSTILE in _text(opened)
        held = {"Authorization": f"Bearer {made}"}
        access = requests.get(f"{address}/v1/access", headers=held, timeout=300).json()
        assert (access["key"], access["scopes"]) == (identity, ["verify"])
        _click(opened, f"button[aria-label='Rotate {identity}']")
        opened.wait(f"document.querySelector('section code').innerText !== {json.dumps(made)}")
        _look(opened, tmp_path, "keys")
        other = _text(opened, "section code").partition(".")[0]
        _click(opened, f"button[aria-label='Revoke {other}']")
        opened.wait("document.querySelector('dialog[open]')")
        _type(opened, "dialog input", other)
        _click(opened, "dialog .danger")
        opened.wait(f"!document.querySelector('button[aria-label=\\'Revoke {other}\\']')")
        assert "revoked" in _text(opened)
        opened.run("sessionStorage.clear()")


def test_a_key_of_each_scope_sees_pages_that_work_for_it(opened: Browser, tmp_path: Path) -> None:
    seen = {
        Scope.IDENTIFY: ["Search"],
        Scope.ENROL: ["People"],
        Scope.GALLERY_READ: ["People"],
        Scope.AUDIT_READ: ["Review", "Audit"],
        Scope.LIVE_READ: ["Live"],
    }
    keys = KeyFile(tmp_path / "keys.json")
    tokens = {scope: keys.new(Grant(scopes=(scope,))).token for scope in Scope}
    arguments = ("--bundle", TINY, "--data", tmp_path / "data", "--keys", keys.path)
    with running(*arguments) as (_, address):
        _open(opened, f"{address}/")
        for scope, token in tokens.items():
            opened.run(f"sessionStorage.setItem('access-key', {json.dumps(token)})")
            _open(opened, f"{address}/")
            pages = opened.run("[...document.querySelectorAll('nav a')].map((a) => a.textContent)")
            assert pages == [*seen.get(scope, []), "System", "API"], scope
            for link in opened.run("[...document.querySelectorAll('nav a')].map((a) => a.hash)"):
                _go(opened, link)
                assert not opened.run("document.querySelector('[role=alert]')"), _text(opened)
        opened.run("sessionStorage.clear()")


def test_nothing_but_its_own_files_may_run(address: str) -> None:
    reply = requests.get(f"{address}/", timeout=300)
    policy = reply.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    for part in ("default-src 'none'", "script-src 'self'", "trusted-types 'none'"):
        assert part in policy
    for path, (content, _) in PAGE.items():
        for word in (b"http://", b"https://", b"innerHTML", b"document.write"):
            assert word not in content.replace(b"http://www.w3.org/2000/svg", b""), (path, word)
