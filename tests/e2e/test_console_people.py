"""The console in a real browser: people are enrolled, extended, merged and erased."""

from pathlib import Path

import pytest
import requests

from tests import services
from tests.browser import Browser
from tests.console import click, enrol, go, look, put, text, type_in, walk

pytestmark = [pytest.mark.serving, pytest.mark.slow]


def test_people_are_enrolled_after_a_look_extended_and_erased(
    page: Browser, console_address: str, tmp_path: Path
) -> None:
    go(page, "#/people/default//enrol")
    type_in(page, "input[name=subject]", "Mary")
    put(page, good=walk(1.15, period=9), bad=b"no clip", same=walk(0.8))
    type_in(page, "input[name=authorisation]", "form 9")
    type_in(page, "input[name=expires]", "2999-01-01")
    click(page, "input[name=keep_pictures]")
    assert page.run("document.querySelector('#store').disabled")
    click(page, "#enrol button.main")
    page.wait("document.querySelector('[aria-label=Result]').dataset.done === 'checked'")
    said = text(page)
    assert "decode.format" in said
    assert "is enrolled already under" in said
    look(page, tmp_path, "enrol")
    known = f"{console_address}/v1/galleries/default/subjects/Mary"
    assert requests.get(known, timeout=300).status_code == 404, "a look stores nothing"
    type_in(page, "input[name=authorisation]", "form 10")
    assert page.run("document.querySelector('#store').disabled"), "what was changed is checked anew"
    click(page, "#enrol button.main")
    page.wait("!document.querySelector('#store').disabled")
    click(page, "#store")
    page.wait("document.querySelector('[aria-label=Result]').dataset.done === 'stored'")
    assert len(requests.get(known, timeout=300).json()["templates"]) == 2
    go(page, "#/people/default/Mary")
    click(page, "main td button[aria-label^='Show the picture']")
    page.wait("document.querySelector('#pictures canvas')?.dataset.frame")
    look(page, tmp_path, "person_with_picture")
    type_in(page, "#extend input[name=authorisation]", "form 11")
    type_in(page, "#extend input[name=expires]", "2998-06-06")
    click(page, "#extend button")
    page.wait("document.querySelector('#said').textContent.includes('2998-06-07')")
    click(page, "#erase")
    page.wait("document.querySelector('dialog[open]')")
    assert page.run("document.querySelector('dialog .danger').disabled"), "the name is typed first"
    look(page, tmp_path, "dialog")
    type_in(page, "dialog input", "Mary")
    click(page, "dialog .danger")
    page.wait("document.querySelector('#receipt')")
    assert "was destroyed" in text(page, "#receipt")
    assert requests.get(known, timeout=300).status_code == 404


def test_a_kept_picture_alone_is_erased(page: Browser, console_address: str) -> None:
    enrol(console_address, "Kate", 1.05, services.KEPT)
    go(page, "#/people/default/Kate")
    click(page, "main td button[aria-label^='Show the picture']")
    page.wait("document.querySelector('#pictures canvas')")
    click(page, "main td button[aria-label^='Erase picture']")
    page.wait("document.querySelector('dialog[open]')")
    assert "searches find the person as before" in text(page, "dialog")
    type_in(page, "dialog input", "Kate")
    click(page, "dialog .danger")
    page.wait("document.querySelector('#receipt')")
    assert "The picture of template" in text(page, "#receipt")
    assert not page.run("document.querySelector('#pictures canvas')")
    assert not page.run("document.querySelector('main td button[aria-label*=picture]')")
    known = requests.get(f"{console_address}/v1/galleries/default/subjects/Kate", timeout=300)
    assert [each["picture"] for each in known.json()["templates"]] == [False]


def test_two_names_of_one_person_are_merged(page: Browser, console_address: str) -> None:
    go(page, "#/people/default//enrol")
    type_in(page, "input[name=subject]", "Graze")
    put(page, clip=walk(1.32, period=9))
    type_in(page, "input[name=authorisation]", "form 12")
    type_in(page, "input[name=expires]", "2999-01-01")
    click(page, "#enrol input[name=new_person]")
    click(page, "#enrol button.main")
    page.wait("!document.querySelector('#store').disabled")
    click(page, "#store")
    page.wait("document.querySelector('[aria-label=Result]').dataset.done === 'stored'")
    go(page, "#/people/default/Graze")
    type_in(page, "#merge input", "Grace")
    click(page, "#merge button")
    page.wait("document.querySelector('dialog[open]')")
    type_in(page, "dialog input", "Graze")
    click(page, "dialog .danger")
    page.wait("document.querySelector('h1').textContent === 'Grace'")
    people = requests.get(
        f"{console_address}/v1/galleries/default/subjects/Grace", timeout=300
    ).json()
    assert len(people["templates"]) == 2
    gone = f"{console_address}/v1/galleries/default/subjects/Graze"
    assert requests.get(gone, timeout=300).status_code == 404
