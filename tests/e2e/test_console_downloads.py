"""The console in a real browser: files that it saves, and long work that is cancelled."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from tests import services
from tests.browser import Browser
from tests.console import HOSTILE, click, enrol, go, search, text, type_in, walk

pytestmark = [pytest.mark.serving, pytest.mark.slow]


@pytest.fixture
def folder(page: Browser, tmp_path: Path) -> Path:
    """Where the browser saves files."""
    page.download_to(tmp_path)
    return tmp_path


def _saved(folder: Path) -> tuple[str, Any]:
    """Name and content of the one file that was saved."""
    deadline = time.monotonic() + 60
    while not (found := list(folder.glob("*.json"))):
        assert time.monotonic() < deadline, "nothing was saved"
        time.sleep(0.05)
    [file] = found
    return file.name, json.loads(file.read_text(encoding="utf-8"))


def _records(address: str, **query: str) -> list[dict[str, Any]]:
    reply = requests.get(f"{address}/v1/audit", params={**query, "limit": "1000"}, timeout=300)
    found: list[dict[str, Any]] = reply.json()["records"]
    return found


def test_the_receipt_of_an_erasure(page: Browser, console_address: str, folder: Path) -> None:
    enrol(console_address, "Tom", 1.05, services.KEPT)
    go(page, "#/people/default/Tom")
    click(page, "#erase")
    page.wait("document.querySelector('dialog[open]')")
    type_in(page, "dialog input", "Tom")
    click(page, "dialog .danger")
    page.wait("document.querySelector('#receipt')")
    click(page, "#receipt button")
    name, receipt = _saved(folder)
    record = _records(console_address, subject="Tom", action="remove")[-1]
    assert name == f"erasure-{record['audit_id']}.json"
    assert receipt["audit_id"] == record["audit_id"]
    assert receipt["receipt"]["subject"] == "Tom"
    assert receipt["receipt"]["templates"] == record["templates"]
    assert f"key {receipt['receipt']['key']} destroyed" == record["detail"]


def test_all_that_is_known_about_a_person(
    page: Browser, console_address: str, folder: Path
) -> None:
    search(page, walk(0.8, period=11), purpose="found in a record")
    go(page, "#/people/default/Ada")
    click(page, "#export")
    name, known = _saved(folder)
    assert name == "about-Ada.json"
    assert (known["subject"], known["gallery"], known["more_records"]) == ("Ada", "default", False)
    person = requests.get(f"{console_address}/v1/galleries/default/subjects/Ada", timeout=300)
    assert known["templates"] == person.json()["templates"]
    every = _records(console_address, subject="Ada")
    assert known["records"] == every[: len(known["records"])]
    assert {"enrol", "identify"} <= {each["action"] for each in known["records"]}
    assert len(known["head"]) == 64
    page.wait("document.querySelector('#said .note')")
    assert f"{len(known['records'])} records and 1 template" in text(page, "#said")


def test_the_same_of_a_name_that_is_typed_among_the_records(
    page: Browser, console_address: str, folder: Path
) -> None:
    go(page, "#/audit")
    type_in(page, "#about input[name=person]", HOSTILE)
    click(page, "#about button")
    name, known = _saved(folder)
    assert name == "about-_img_src_x_onerror_alert_1_--.json", "a name of a file, whatever it holds"
    assert known["subject"] == HOSTILE
    assert len(known["templates"]) == 1
    assert known["records"][0]["action"] == "enrol"


def test_the_newest_hash_of_the_records(page: Browser, console_address: str, folder: Path) -> None:
    go(page, "#/audit")
    click(page, "#verify button")
    page.wait("document.querySelector('#save-head')")
    click(page, "#save-head")
    name, kept = _saved(folder)
    assert name == f"audit-head-{kept['time'][:10]}.json"
    record = next(each for each in _records(console_address) if each["hash"] == kept["head"])
    assert record["time"] == kept["time"]
    query = {"head": kept["head"]}
    proof = requests.get(f"{console_address}/v1/audit:verify", params=query, timeout=300).json()
    assert proof["intact"]
    assert proof["records"] > kept["records"] > 0


def test_verifying_the_records_is_cancelled(page: Browser) -> None:
    go(page, "#/audit")
    with page.slow(60):
        click(page, "#verify button")
        page.wait("document.querySelector('#verify .working button')")
        assert page.run("document.querySelector('#verify button.main').disabled")
        click(page, "#verify .working button")
        page.wait("document.querySelector('#verified .note')")
    assert "Cancelled: nothing is known of the records" in text(page, "#verified")
    click(page, "#verify button.main")
    page.wait("document.querySelector('#verified input')")
    assert "each as it was written" in text(page, "#verified"), "it can be done again"


def test_an_export_is_cancelled_and_saves_nothing(page: Browser, folder: Path) -> None:
    go(page, "#/people/default/Ada")
    with page.slow(60):
        click(page, "#export")
        page.wait("document.querySelector('#said .working button')")
        click(page, "#said .working button")
        page.wait("document.querySelector('#said .note')")
    assert "Cancelled: no file was saved" in text(page, "#said")
    assert not page.run("document.querySelector('#export').disabled")
    assert list(folder.iterdir()) == []
