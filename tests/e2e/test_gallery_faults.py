"""A gallery whose process is killed at any point: nothing acknowledged is lost, nothing is half."""

import multiprocessing
import os
import random
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from gait.errors import MasterKeyError
from gallery.gallery import Gallery
from gallery.opening import create_gallery, open_gallery
from gallery.record.master_key import MasterKey
from gallery.search.fusion import Fusion
from tests.galleries import TINY, enrolment
from tests.gallery_faults import (
    Ledger,
    People,
    change_until_killed,
    rotate_until_killed,
    vector,
)

pytestmark = [pytest.mark.serving, pytest.mark.slow]

KILLS_IN_CODE, KILLS_IN_TIME = 80, 30
LINES = 2500
"""Of the gallery's code: about three times the opening and a few changes."""


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_killed_at_any_point_it_holds_what_was_acknowledged(
    tmp_path: Path, engine: str, request: pytest.FixtureRequest
) -> None:
    if engine == "sqlite":
        location = str(tmp_path / "gallery")
    else:
        location = f"{request.getfixturevalue('postgres_url')}?gallery=killed"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.gallery_faults"])
    people = People()
    create_gallery(location, TINY).close()
    rng = random.Random(8)
    in_flight = finished = 0
    for kill in range(KILLS_IN_CODE + KILLS_IN_TIME):
        lines = 1 + LINES * kill // KILLS_IN_CODE if kill < KILLS_IN_CODE else 0
        ledger = tmp_path / f"ledger-{kill}"
        ledger.touch()
        arguments = (location, str(ledger), people, kill + 1, lines, os.environ.get("PGPASSWORD"))
        child = context.Process(target=change_until_killed, args=arguments)
        child.start()
        if not lines:
            time.sleep(rng.uniform(0.05, 0.4))
            child.kill()
        child.join(60)
        assert child.exitcode == -9, f"kill {kill}"
        said = Ledger.read(ledger)
        finished += said.finished
        in_flight += len(said.begun) > said.finished
        people = _checked(location, people, said, f"kill {kill}")
    assert finished > 100
    assert in_flight > (KILLS_IN_CODE + KILLS_IN_TIME) // 3  # most died in the middle of a change


def test_killed_while_the_master_key_changes_one_of_the_two_opens_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.gallery_faults"])
    folder, people = tmp_path / "gallery", {f"{n}": frozenset({n}) for n in range(30)}
    keys = [bytes([number]) * 32 for number in (1, 2)]
    with create_gallery(folder, TINY, master=MasterKey(keys[0])) as gallery:
        gallery.enrol([enrolment(name, vector(min(seeds))) for name, seeds in people.items()])
    rotated = 0
    for lines in range(20, 1220, 30):
        child = context.Process(target=rotate_until_killed, args=(str(folder), *keys, lines))
        child.start()
        child.join(60)
        assert child.exitcode == -9
        with closing(_opened(folder, keys)) as gallery:
            _check_search(gallery, people, [], f"{lines} lines")
            if gallery.master_key == MasterKey(keys[1]).id:
                rotated += 1
                keys.reverse()
    assert 5 < rotated < 35


def _opened(folder: Path, keys: list[bytes]) -> Gallery:
    try:
        return open_gallery(folder, master=MasterKey(keys[0]))
    except MasterKeyError:
        return open_gallery(folder, master=MasterKey(keys[1]))


def _checked(location: str, people: People, said: Ledger, when: str) -> People:
    """Whom the gallery holds: those of the finished changes, or of one more."""
    for change in said.begun[: said.finished]:
        people = change.applied(people)
    allowed = [people, *(change.applied(people) for change in said.begun[said.finished :])]
    with closing(open_gallery(location)) as gallery:
        held = _held(gallery)
        assert held in [_digests(each) for each in allowed], when
        people = allowed[[_digests(each) for each in allowed].index(held)]
        _check_search(gallery, people, allowed, when)
    if "://" in location:
        return people
    with closing(sqlite3.connect(Path(location) / "gallery.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)], when
    return people


def _check_search(gallery: Gallery, people: People, allowed: Iterable[People], when: str) -> None:
    """Every embedding finds its subject; one that went finds nobody like it."""
    for subject, seeds in people.items():
        for seed in seeds:
            first = gallery.identify(vector(seed), 1, fusion=Fusion.BEST)[0]
            assert (first.subject, first.similarity > 0.999) == (subject, True), when
    here = {seed for seeds in people.values() for seed in seeds}
    gone = {seed for each in allowed for seeds in each.values() for seed in seeds} - here
    for seed in gone if people else ():
        assert gallery.identify(vector(seed), 1, fusion=Fusion.BEST)[0].similarity < 0.9, when


def _held(gallery: Gallery) -> dict[str, frozenset[str]]:
    names = [subject.name for subject in gallery.subjects()]
    return {name: frozenset(t.digest for t in gallery.templates(name)) for name in names}


def _digests(people: People) -> dict[str, frozenset[str]]:
    return {
        name: frozenset(enrolment(name, vector(seed)).digest for seed in seeds)
        for name, seeds in people.items()
    }
