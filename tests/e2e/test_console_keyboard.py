"""The console in a real browser, by keyboard alone: a search with a verdict, and an erasure."""

from pathlib import Path

import pytest
import requests

from tests import services
from tests.browser import Browser
from tests.console import enrol, go, reach, text, walk

pytestmark = [pytest.mark.serving, pytest.mark.slow]


def test_a_search_is_made_looked_at_and_judged(
    page: Browser, console_address: str, tmp_path: Path
) -> None:
    clip = tmp_path / "walk"
    clip.write_bytes(walk(0.8, period=11))
    page.prefer(prefers_reduced_motion="reduce")
    reach(page, "#skip")
    page.press("Enter")
    assert page.run("document.activeElement.id") == "main"

    reach(page, "input[type=file]")
    page.choose(clip)
    assert "MiB" in text(page, ".drop")
    reach(page, "input[name=kind]")
    kind = "document.querySelector('input[name=kind]:checked').value"
    page.press("ArrowDown")
    assert page.run(kind) == "recording"
    page.press("ArrowUp")
    assert page.run(kind) == "clip"
    reach(page, "input[name=purpose]")
    page.type("night desk")
    reach(page, "#search summary")
    page.press("Enter")
    reach(page, "input[name=top_k]")
    page.press("ArrowDown")
    assert page.run("document.activeElement.value") == "4"
    reach(page, "#search button.main")
    page.press("Enter")
    page.wait("document.querySelector('[aria-label=Result]').dataset.done")
    assert "Ada" in text(page, ".verdict")

    reach(page, ".film button")
    page.press(" ")
    page.wait("document.querySelector('canvas').dataset.frame !== '0'")
    reach(page, ".film input[type=range]")
    page.press("ArrowRight")
    frame = page.run("document.activeElement.value")
    page.press("ArrowRight")
    assert page.run("Number(document.querySelector('canvas').dataset.frame)") == int(frame) + 1
    reach(page, "input[name=reviewer]")
    page.type("badge 7")
    reach(page, "form.review button[value=confirmed]")
    page.press("Enter")
    page.wait("document.querySelector('form.review .note')")
    reviews = requests.get(f"{console_address}/v1/reviews", timeout=300).json()["reviews"]
    assert (reviews[-1]["verdict"], reviews[-1]["reviewer"]) == ("confirmed", "badge 7")
    about = requests.get(f"{console_address}/v1/audit?action=identify", timeout=300).json()
    assert about["records"][-1]["purpose"] == "night desk"


def test_a_person_is_erased_after_typing_the_name(page: Browser, console_address: str) -> None:
    enrol(console_address, "Tom", 1.05, services.AUTHORISATION)
    go(page, "#/people/default/Tom")
    reach(page, "#erase")
    page.press("Enter")
    page.wait("document.querySelector('dialog[open]')")
    page.press("Escape")
    page.wait("!document.querySelector('dialog')")
    assert page.run("document.activeElement.id") == "erase", "one goes on where one was"
    page.press("Enter")
    page.wait("document.querySelector('dialog[open] input') === document.activeElement")
    page.type("Tom")
    reach(page, "dialog .danger")
    page.press("Enter")
    page.wait("document.querySelector('#receipt') === document.activeElement")
    reach(page, "#receipt a")
    page.press("Enter")
    page.wait("document.querySelector('#find')")
    assert "Tom" not in text(page)


def test_the_queue_is_gone_through(page: Browser, console_address: str) -> None:
    for purpose in ("gate 1", "gate 2"):
        sent = {"purpose": purpose}
        path = f"{console_address}/v1/identify"
        assert requests.post(path, data=sent, files={"clip": walk(1.3)}, timeout=300).ok
    go(page, "#/review")
    reach(page, "#queue")
    why = "document.querySelector('#queue dd + dt, #queue .facts').innerText"
    assert "gate 1" in page.run(why)
    page.press("n")
    assert "gate 2" in page.run(why)
    page.press("p")
    assert "gate 1" in page.run(why)
    reach(page, "#queue input[name=reviewer]")
    page.type("n 123")  # what is typed is no shortcut
    assert page.run("document.activeElement.value").endswith("n 123")
    assert "gate 1" in page.run(why)
    for key, verdict in (("3", "unsure"), ("2", "rejected")):
        page.run("document.querySelector('#queue').focus()")
        waiting = page.run("document.querySelector('#queue h2').textContent")
        page.press(key)
        page.wait(f"document.querySelector('#queue h2')?.textContent !== {waiting!r}")
        reviews = requests.get(f"{console_address}/v1/reviews", timeout=300).json()["reviews"]
        assert reviews[-1]["verdict"] == verdict


def test_late_pictures_move_no_button(page: Browser, console_address: str) -> None:
    path, sent = f"{console_address}/v1/identify", {"purpose": "gate 3"}
    assert requests.post(path, data=sent, files={"clip": walk(1.3)}, timeout=300).ok
    page.run("window.held = []; window.kept = fetch; 0")
    page.run(
        "window.fetch = (...sent) => sent[0].includes('/subjects/')"
        " ? new Promise((go) => held.push(() => go(kept(...sent)))) : kept(...sent); 0"
    )
    go(page, "#/review")
    reach(page, "#queue")
    reach(page, "#queue input[name=reviewer]")
    before = page.run("document.activeElement.getBoundingClientRect().top")
    page.wait("held.splice(0).forEach((go) => go()) ?? document.querySelector('#queue canvas')")
    assert page.run("document.activeElement.getBoundingClientRect().top") == before
