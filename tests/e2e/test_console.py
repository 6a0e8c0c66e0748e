"""The console in a real browser: searches, recordings, hostile names, its files."""

from pathlib import Path

import pytest
import requests

from serve.page import PAGE
from tests.browser import Browser
from tests.console import HOSTILE, click, go, look, put, search, text, type_in, walk
from tests.e2e.test_tracks_route import TWO, recording

pytestmark = [pytest.mark.serving, pytest.mark.slow]


def test_a_search_shows_verdict_pictures_scale_and_quality(page: Browser, tmp_path: Path) -> None:
    search(page, walk(0.8, period=11))
    verdict = page.run("document.querySelector('.verdict').dataset.verdict")
    assert verdict in ("match", "possible", "no_match")
    said = text(page)
    for words in ("of 1,000 strangers", "Quality ", "At the times that the file says", "simulated"):
        assert words.lower() in said.lower(), words
    assert page.run("document.querySelectorAll('.scale .threshold').length") == 2
    assert page.run("document.querySelector('.strangers').getAttribute('points').length > 100")
    frame = "document.querySelector('canvas').dataset.frame"
    type_in(page, ".film input[type=range]", "7")
    assert page.run(frame) == "7"
    lit = "[...c.getContext('2d').getImageData(0, 0, 64, 64).data].filter((v) => v > 250).length"
    assert (
        page.run(f"(() => {{ const c = document.querySelector('canvas'); return {lit}; }})()")
        > 5000
    )
    assert "Ada: template" in said, "the kept picture of the first candidate"
    assert page.run("document.querySelectorAll('.side canvas').length") == 2
    look(page, tmp_path, "search")


def test_a_clip_that_cannot_be_used_is_told_in_words(page: Browser) -> None:
    search(page, b"no clip at all")
    assert "decode.format" in text(page, "[role=alert]")
    assert not page.run("document.querySelector('.verdict')")


def test_everybody_in_a_recording_gets_a_verdict(page: Browser, tmp_path: Path) -> None:
    go(page, "#/search")
    put(page, scene=recording(TWO, scans=30))
    click(page, "input[value=recording]")
    type_in(page, "input[name=purpose]", "entrance 3")
    click(page, "#search button.main")
    page.wait("document.querySelector('[aria-label=Result]').dataset.done")
    cards = page.run("document.querySelectorAll('article').length")
    assert cards >= 2
    assert page.run("document.querySelectorAll('article .verdict').length") == cards
    assert f"{cards} in the recording" in text(page)
    assert page.run("document.querySelectorAll('article canvas').length") >= cards
    look(page, tmp_path, "recording")


def test_names_are_text_whatever_they_hold(page: Browser, tmp_path: Path) -> None:
    go(page, "#/people")
    page.wait("document.querySelectorAll('#find ~ div td').length >= 12")
    assert HOSTILE in text(page)
    assert page.run("document.querySelectorAll('main img').length") == 0
    type_in(page, "#find input", "IMG")
    click(page, "#find button")
    page.wait("document.querySelectorAll('#find ~ div tbody tr').length === 1")
    click(page, "#find ~ div td a")
    page.wait("document.querySelector('h1').textContent.includes('onerror')")
    assert page.run("document.querySelector('h1').textContent") == HOSTILE
    look(page, tmp_path, "person")
    assert page.run("document.title") != "ALARM"


def test_a_search_can_be_cancelled(page: Browser) -> None:
    go(page, "#/search")
    put(page, walk=walk(0.8))
    type_in(page, "input[name=purpose]", "entrance 3")
    click(page, "#search button.main")
    click(page, ".working button")
    page.wait("document.querySelector('[aria-label=Result]').dataset.done")
    assert "Cancelled" in text(page, "[aria-label=Result]")
    assert not page.run("document.querySelector('#search button.main').disabled")


@pytest.mark.parametrize("name", ["system", "reference", "people"])
def test_the_other_pages(page: Browser, tmp_path: Path, name: str) -> None:
    go(page, f"#/{name}")
    assert not page.run("document.querySelector('[role=alert]')"), text(page)
    look(page, tmp_path, name)


def test_a_page_that_takes_long_says_that_it_loads(page: Browser) -> None:
    with page.slow(2):
        page.run("location.hash = '#/system'")
        page.wait("document.querySelector('main').innerText.includes('Loading…')")
    page.wait("document.querySelector('main').dataset.shown === '#/system'")
    assert "Loading…" not in text(page)


def test_nothing_but_its_own_files_may_run(console_address: str) -> None:
    reply = requests.get(f"{console_address}/", timeout=300)
    policy = reply.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    for part in ("default-src 'none'", "script-src 'self'", "trusted-types 'none'"):
        assert part in policy
    for path, (content, _) in PAGE.items():
        for word in (b"http://", b"https://", b"innerHTML", b"document.write"):
            assert word not in content.replace(b"http://www.w3.org/2000/svg", b""), (path, word)
