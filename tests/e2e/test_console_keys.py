"""The console in a real browser: what a key may do, and keys that are made and revoked."""

import json
from pathlib import Path

import pytest
import requests

from gait.modality import Modality
from gait.own_bundle import own_bundle
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.scopes import Scope
from tests import services
from tests.browser import Browser
from tests.console import HOSTILE, click, go, look, open_page, text, type_in, walk
from tests.galleries import TINY
from tests.processes import running

pytestmark = [pytest.mark.serving, pytest.mark.slow]


def test_a_key_shows_what_it_may_and_outlasts_a_reload(window: Browser, tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    token = keys.new(Grant(scopes=(Scope.IDENTIFY,))).token
    arguments = ("--bundle", TINY, "--data", tmp_path / "data", "--keys", keys.path)
    with running(*arguments) as (_, address):
        open_page(window, f"{address}/")
        assert "Give your access key above" in text(window)
        look(window, tmp_path, "no_key")
        type_in(window, "#key", "no.key")
        click(window, "#key-form button")
        window.wait("document.querySelector('[role=alert]')")
        assert "access.key" in text(window)
        type_in(window, "#key", token)
        click(window, "#key-form button")
        window.wait("document.querySelector('#search')")
        for _ in range(2):
            pages = window.run("[...document.querySelectorAll('nav a')].map((a) => a.textContent)")
            assert pages == ["Search", "System", "API"]
            open_page(window, f"{address}/#/audit")  # the key is still there
            assert "audit:read" in text(window)
        kept = "Object.values(sessionStorage).join() + Object.values(localStorage).join()"
        assert token in window.run(kept)
        click(window, "#forget")
        window.wait("document.querySelector('main').innerText.includes('Give your access key')")
        assert token not in window.run(kept)
        assert window.run("document.cookie") == ""


def test_keys_are_made_rotated_and_revoked(window: Browser, tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    token = keys.new(Grant(scopes=(Scope.ADMIN,))).token
    arguments = ("--bundle", TINY, "--data", tmp_path / "data", "--keys", keys.path)
    with running(*arguments) as (_, address):
        window.resize(1280)
        open_page(window, f"{address}/")
        window.run(f"sessionStorage.setItem('access-key', {json.dumps(token)})")
        open_page(window, f"{address}/#/system")
        click(window, "#new-key input[value=verify]")
        type_in(window, "#new-key input[name=note]", HOSTILE)
        click(window, "#new-key button")
        window.wait("document.querySelectorAll('tbody tr button.danger').length === 2")
        made = text(window, "section code")
        identity = made.partition(".")[0]
        assert HOSTILE in text(window)
        held = {"Authorization": f"Bearer {made}"}
        access = requests.get(f"{address}/v1/access", headers=held, timeout=300).json()
        assert (access["key"], access["scopes"]) == (identity, ["verify"])
        click(window, f"button[aria-label='Rotate {identity}']")
        window.wait(f"document.querySelector('section code').innerText !== {json.dumps(made)}")
        look(window, tmp_path, "keys")
        other = text(window, "section code").partition(".")[0]
        click(window, f"button[aria-label='Revoke {other}']")
        window.wait("document.querySelector('dialog[open]')")
        type_in(window, "dialog input", other)
        click(window, "dialog .danger")
        window.wait(f"!document.querySelector('button[aria-label=\\'Revoke {other}\\']')")
        assert "revoked" in text(window)
        window.run("sessionStorage.clear()")


def test_a_person_is_shown_with_what_the_key_may_do(window: Browser, tmp_path: Path) -> None:
    offered = {
        (Scope.GALLERY_READ,): {"Show"},
        (Scope.GALLERY_READ, Scope.AUDIT_READ): {"Show", "Download"},
        (Scope.GALLERY_READ, Scope.GALLERY_DELETE): {
            *("Show", "Erase picture", "Erase", "Erase this person"),
        },
        (Scope.ENROL,): {"Extend", "Merge"},
    }
    keys = KeyFile(tmp_path / "keys.json")
    tokens = {scopes: keys.new(Grant(scopes=scopes)).token for scopes in offered}
    arguments = ("--bundle", TINY, "--data", tmp_path / "data", "--keys", keys.path)
    with running(*arguments) as (_, address):
        held = {"Authorization": f"Bearer {tokens[Scope.ENROL,]}"}
        path = f"{address}{services.SUBJECTS}/Ada/templates"
        clip = {"clips": services.probe(0, Modality.SILHOUETTE)}
        reply = requests.post(path, data=services.KEPT, files=clip, headers=held, timeout=300)
        assert reply.ok, reply.text
        open_page(window, f"{address}/")
        for scopes, token in tokens.items():
            window.run(f"sessionStorage.setItem('access-key', {json.dumps(token)})")
            open_page(window, f"{address}/#/people/default/Ada")
            buttons = "[...document.querySelectorAll('main button')].map((b) => b.innerText)"
            assert set(window.run(buttons)) == offered[scopes], scopes
        window.run("sessionStorage.clear()")


def test_a_key_of_each_scope_sees_pages_that_work_for_it(window: Browser, tmp_path: Path) -> None:
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
        open_page(window, f"{address}/")
        for scope, token in tokens.items():
            window.run(f"sessionStorage.setItem('access-key', {json.dumps(token)})")
            open_page(window, f"{address}/")
            pages = window.run("[...document.querySelectorAll('nav a')].map((a) => a.textContent)")
            assert pages == [*seen.get(scope, []), "System", "API"], scope
            for link in window.run("[...document.querySelectorAll('nav a')].map((a) => a.hash)"):
                go(window, link)
                assert not window.run("document.querySelector('[role=alert]')"), text(window)
        window.run("sessionStorage.clear()")


def test_two_reviewers_settle_a_case(window: Browser, tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    may = (Scope.IDENTIFY, Scope.ENROL, Scope.AUDIT_READ)
    tokens = [keys.new(Grant(scopes=may)).token for _ in range(2)]
    held = {"Authorization": f"Bearer {tokens[0]}"}
    arguments = ("--bundle", own_bundle(), "--data", tmp_path / "data", "--keys", keys.path)
    with running(*arguments, "--two-reviewers", "True") as (_, address):
        for path, files, sent in (
            (f"{services.SUBJECTS}/Ada/templates", {"clips": walk(0.8)}, services.AUTHORISATION),
            ("/v1/identify", {"clip": walk(0.8, period=11)}, services.PURPOSE),
        ):
            whole = address + path
            reply = requests.post(whole, data=sent, files=files, headers=held, timeout=300)
            assert reply.ok, reply.text
        open_page(window, f"{address}/")
        for name, token, state in (("Ann", tokens[0], "open"), ("Bob", tokens[1], "confirmed")):
            window.run("sessionStorage.clear()")
            window.run(f"sessionStorage.setItem('access-key', {json.dumps(token)})")
            open_page(window, f"{address}/#/review")
            assert "Two reviewers settle a case" in text(window)
            type_in(window, "#queue input[name=reviewer]", name)
            click(window, "#queue form button[value=confirmed]")
            window.wait("document.querySelector('#queue').innerText.includes('any more')")
            listed = requests.get(f"{address}/v1/reviews/cases", headers=held, timeout=300).json()
            assert [each["state"] for each in listed["cases"]] == [state]
            open_page(window, f"{address}/#/review")
            waits = "it waits for somebody else" in text(window)
            assert waits == (state == "open")
        assert "Nothing waits for a verdict." in text(window)
        window.run("sessionStorage.clear()")
