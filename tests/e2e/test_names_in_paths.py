"""Real clients shorten paths and follow redirects: none of them may reach more than was named."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
import requests

from gait.errors import GalleryError
from gait.modality import Modality
from gallery.remote.client import Client
from tests import services
from tests.browser import Browser, browser
from tests.galleries import TINY
from tests.processes import running

pytestmark = pytest.mark.serving

Fetch = Callable[[str, str], int]
"""Method and address to the status of the last reply; redirects are followed."""
SEGMENTS = (
    *("..", ".", "", "./", "../", "%2e%2e", "%2E%2E", ".%2e", "%2e", "%2e%2e/", "..%2f", "x/.."),
    *("%252e%252e", "..%5c", "\\", "\\..", "x\\..", "..;", "..?", "..#", "?p000", "#p000", "%00"),
    *("p000/..", "p000/../", "p000/%2e%2e", "x/templates/..", "p000/templates/../..", "%20"),
)
_JAVASCRIPT = """
fetch(ADDRESS, {method: METHOD, redirect: "follow"}).then(reply => reply.status)
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data = tmp_path_factory.mktemp("names") / "data"
    with running("--bundle", TINY, "--data", data) as (_, address):
        for person in ("p000", "p001"):
            path = f"/v1/galleries/default/subjects/{person}/templates"
            clip = {"clips": services.probe(int(person[1:]), Modality.SILHOUETTE)}
            sent = services.AUTHORISATION
            assert requests.post(address + path, data=sent, files=clip, timeout=60).ok
        yield address


def _with_requests(method: str, address: str) -> int:
    return requests.request(method, address, timeout=60).status_code


def _with_httpx2(method: str, address: str) -> int:
    return httpx2.request(method, address, follow_redirects=True, timeout=60).status_code


def _with_curl(*options: str) -> Fetch:
    def fetch(method: str, address: str) -> int:
        command = ["curl", "-sL", "-o", "/dev/null", "-w", "%{http_code}", "-X", method, "-g"]
        ended = subprocess.run([*command, *options, address], capture_output=True, text=True)
        return int(ended.stdout)

    return fetch


def _with_node(method: str, address: str) -> int:
    script = _JAVASCRIPT.replace("ADDRESS", json.dumps(address))
    script = script.replace("METHOD", json.dumps(method)) + ".then(console.log)"
    ended = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)
    return int(ended.stdout)


def _with_browser(page: Browser) -> Fetch:
    def fetch(method: str, address: str) -> int:
        script = _JAVASCRIPT.replace("ADDRESS", json.dumps(address))
        return int(page.run(script.replace("METHOD", json.dumps(method))))

    return fetch


def _check(fetch: Fetch, address: str) -> None:
    """Deletes by every trick, and looks whether anything is gone."""
    gallery = f"{address}/v1/galleries/default"
    assert fetch("GET", f"{gallery}/subjects/p000") == 200, "the client works"
    for segment in SEGMENTS:
        for below in ("", "/templates/1", "/templates/.."):
            status = fetch("DELETE", f"{gallery}/subjects/{segment}{below}")
            assert 400 <= status < 500, (segment, below, status)
    left = requests.get(f"{gallery}/subjects", timeout=60).json()["subjects"]
    assert [each["subject"] for each in left] == ["p000", "p001"]


def test_requests(address: str) -> None:
    _check(_with_requests, address)


def test_our_own_client(address: str) -> None:
    client = Client(address)
    for name in ("..", ".", "../..", "%2e%2e", "x/..", "x?", "x#", "\\.."):
        with pytest.raises(GalleryError):
            client.remove("default", name)
    assert [each.subject for each in client.subjects("default")] == ["p000", "p001"]


def test_httpx2(address: str) -> None:
    _check(_with_httpx2, address)


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
@pytest.mark.parametrize("options", [(), ("--path-as-is",)])
def test_curl(address: str, options: tuple[str, ...]) -> None:
    _check(_with_curl(*options), address)


def test_fetch_in_a_browser(address: str, tmp_path: Path) -> None:
    with browser(tmp_path / "profile") as page:
        page.open(f"{address}/")
        _check(_with_browser(page), address)


@pytest.mark.skipif(shutil.which("node") is None, reason="no node here")
def test_fetch_in_node(address: str) -> None:
    gallery = f"{address}/v1/galleries/default"
    assert _with_node("GET", f"{gallery}/subjects/p000") == 200
    for segment in ("..", "%2e%2e", "p000/..", "\\.."):  # each is a process
        assert 400 <= _with_node("DELETE", f"{gallery}/subjects/{segment}") < 500, segment
    assert _with_node("GET", f"{gallery}/subjects/p001") == 200
