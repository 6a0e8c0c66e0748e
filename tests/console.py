"""The console in a real browser: what its tests do there.

Screenshots at 360, 1280 and 3840 pixels lie in a test's folder; `CONSOLE_SHOTS` names another.
"""

import base64
import json
import os
from collections.abc import Mapping
from importlib.resources import files as files_of
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from tests import clip_files as files
from tests.browser import Browser

HOSTILE = "<img src=x onerror=alert(1)>“';--"
"""A name that would run, were it markup."""
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

# Whether the element that has the focus is marked and in the window; else what it is.
_SEEN = """
(() => {
  const held = document.activeElement, box = held.getBoundingClientRect();
  if (held === document.body || held.type === "date") return true; // a date's parts are its own
  const marked = held.matches(":focus-visible") && getComputedStyle(held).outlineStyle !== "none";
  return marked && box.bottom > 0 && box.top < innerHeight ? true : held.outerHTML;
})()
"""


def walk(stout: float, period: int = 10) -> bytes:
    """A video of somebody who walks."""
    return files.movie(files.walker(40, stout=stout, period=period))


def enrol(address: str, name: str, stout: float, sent: Mapping[str, str]) -> None:
    """Enrols somebody over the API."""
    path = f"/v1/galleries/default/subjects/{quote(name, safe='')}/templates"
    clip = {"clips": walk(stout)}
    assert requests.post(address + path, data=sent, files=clip, timeout=300).ok


def open_page(page: Browser, address: str) -> None:
    """Goes to an address; the tab, and so its session storage, stays."""
    page.go(address)
    page.wait("document.querySelector('main')?.dataset.ready")
    page.run("window.alert = () => { document.title = 'ALARM'; }")


def go(page: Browser, route: str) -> None:
    """Shows another page of the console."""
    page.run(f"location.hash = {json.dumps(route)}")
    page.wait(f"document.querySelector('main').dataset.shown === {json.dumps(route)}")


def put(page: Browser, **clips: bytes) -> None:
    """Chooses files in the page's first file field."""
    chosen = [(name, base64.b64encode(clip).decode()) for name, clip in clips.items()]
    page.run(_PUT.replace("FILES", json.dumps(chosen)))


def type_in(page: Browser, selector: str, text: str) -> None:
    """Puts text into a field, as if it were typed."""
    page.run(
        f"(() => {{ const field = document.querySelector({json.dumps(selector)}); "
        f"field.value = {json.dumps(text)}; "
        "field.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )


def text(page: Browser, selector: str = "main") -> Any:
    """What an element shows."""
    return page.run(f"document.querySelector({json.dumps(selector)})?.innerText")


def click(page: Browser, selector: str) -> None:
    """Clicks an element."""
    page.run(f"document.querySelector({json.dumps(selector)}).click()")


def reach(page: Browser, selector: str) -> None:
    """Presses Tab until an element has the focus; at every stop one sees where it is."""
    for _ in range(60):
        page.press("Tab")
        seen = page.run(_SEEN)
        assert seen is True, seen
        if page.run(f"document.activeElement.matches({json.dumps(selector)})"):
            return
    raise AssertionError(
        f"{selector} is not reached: {page.run('document.activeElement.outerHTML')}"
    )


def look(page: Browser, folder: Path, name: str) -> None:
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


def search(page: Browser, clip: bytes, purpose: str = "entrance 3") -> None:
    """Searches for whoever walks in a clip, and waits for the result."""
    go(page, "#/search")
    put(page, walk=clip)
    type_in(page, "input[name=purpose]", purpose)
    click(page, "#search button.main")
    page.wait("document.querySelector('[aria-label=Result]').dataset.done")
