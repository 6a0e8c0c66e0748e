"""The console in a real browser: the audit records, and cases that wait for a person."""

import json
from pathlib import Path

import pytest
import requests

from tests import services
from tests.browser import Browser
from tests.console import HOSTILE, click, enrol, go, look, put, search, text, type_in, walk

pytestmark = [pytest.mark.serving, pytest.mark.slow]


def test_the_records_are_searched_and_verified(page: Browser, tmp_path: Path) -> None:
    search(page, walk(1.3), purpose="lost child 17")
    go(page, "#/audit")
    assert "lost child 17" in text(page, "#records")
    click(page, "#verify button")
    page.wait("document.querySelector('#verified input')")
    assert "each as it was written" in text(page, "#verified")
    assert len(page.run("document.querySelector('#verified input').value")) == 64
    look(page, tmp_path, "audit")


def test_what_was_searched_for_is_kept_by_the_address(page: Browser) -> None:
    search(page, walk(0.8, period=11), purpose="seen by the address")
    go(page, "#/people/default/Ada")
    click(page, "a[href='#/audit//Ada']")
    page.wait("document.querySelector('#records-search')")
    page.wait("document.querySelector('#records')?.innerText.includes('enrolled, done')")
    type_in(page, "#records-search select[name=action]", "identify")
    click(page, "#records-search button")
    for _ in range(2):
        page.wait("document.querySelector('#records').innerText.includes('seen by the address')")
        page.wait("!document.querySelector('#records').innerText.includes('enrolled')")
        assert page.run("location.hash") == "#/audit//Ada//identify"
        page.reload()
        page.wait("document.querySelector('main')?.dataset.ready")
    go(page, "#/people")
    type_in(page, "#find input", "gra")
    click(page, "#find button")
    page.wait("document.querySelectorAll('#find ~ div tbody tr').length === 1")
    page.reload()
    page.wait("document.querySelector('main')?.dataset.ready")
    page.wait("document.querySelectorAll('#find ~ div tbody tr').length === 1")
    assert text(page, "#find ~ div tbody a") == "Grace"


def test_notes_and_references_are_text_whatever_they_hold(
    page: Browser, console_address: str
) -> None:
    sent = services.AUTHORISATION | {"authorisation": HOSTILE}
    enrol(console_address, "Eve", 1.15, sent)
    path, clip = f"{console_address}/v1/identify", {"clip": walk(1.15, period=9)}
    found = requests.post(path, data={"purpose": HOSTILE}, files=clip, timeout=300).json()
    said = {"audit_id": found["audit_id"], "verdict": "unsure"}
    said |= {"reviewer": HOSTILE, "note": HOSTILE, "subject": "Eve"}
    assert requests.post(f"{console_address}/v1/reviews", json=said, timeout=300).ok
    for route, times in (("#/people/default/Eve", 1), ("#/audit", 3), ("#/review", 3)):
        go(page, route)
        if route == "#/review":
            page.run("document.querySelector('#queue').focus()")
            for _ in range(20):
                page.press("n")
        assert text(page).count(HOSTILE) >= times, route
        assert page.run("document.querySelectorAll('main img').length") == 0
    assert page.run("document.title") != "ALARM"


def test_a_case_is_judged_by_keyboard(page: Browser, console_address: str, tmp_path: Path) -> None:
    search(page, walk(1.3), purpose="entrance 4")
    go(page, "#/review")
    page.run("document.querySelector('#queue').focus()")
    for _ in range(20):
        page.press("n")
    before = page.run("document.querySelector('#queue h2').textContent")
    said = text(page, "#statistics")
    assert "nothing against the promise" in said
    put(page, walk=walk(1.3))
    page.wait("document.querySelector('#queue .note')")
    assert "the very file" in text(page, "#queue .note")
    assert page.run("document.querySelectorAll('#queue canvas').length") >= 1
    page.wait("!document.querySelector('#queue').innerText.includes('Loading')")
    look(page, tmp_path, "review")
    type_in(page, "#queue input[name=reviewer]", "badge 311")
    page.run("document.querySelector('#queue').focus()")
    page.press("1")
    page.wait(
        f"document.querySelector('#queue').innerText.split('\\n')[0] !== {json.dumps(before)}"
    )
    reviews = requests.get(f"{console_address}/v1/reviews", timeout=300).json()["reviews"]
    assert (reviews[-1]["verdict"], reviews[-1]["reviewer"]) == ("confirmed", "badge 311")
