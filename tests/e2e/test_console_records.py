"""The console in a real browser: the audit records, and cases that wait for a person."""

import json
from pathlib import Path

import pytest
import requests

from tests.browser import Browser
from tests.console import click, go, look, put, search, text, type_in, walk

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
    look(page, tmp_path, "review")
    type_in(page, "#queue input[name=reviewer]", "badge 311")
    page.run("document.querySelector('#queue').focus()")
    page.press("1")
    page.wait(
        f"document.querySelector('#queue').innerText.split('\\n')[0] !== {json.dumps(before)}"
    )
    reviews = requests.get(f"{console_address}/v1/reviews", timeout=300).json()["reviews"]
    assert (reviews[-1]["verdict"], reviews[-1]["reviewer"]) == ("confirmed", "badge 311")
