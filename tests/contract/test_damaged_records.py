"""One row of the record made wrong, in every way there is: whoever it is not about goes on."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from gait.errors import CalibrationError, GaitError
from gallery.decision.fitting import calibrate
from gallery.gallery import Gallery
from gallery.info import describe
from gallery.record import clock
from gallery.record.engine import open_engine, transaction
from gallery.record.location import Postgres, parse_location
from gallery.record.master_key import MasterKey
from serve.work.health import State
from tests.contract.test_gallery_promises import (
    BRIEF,
    SOON,
    Place,
    on_each_record,
    place,
    place_of,
)
from tests.galleries import AUTHORISATION, DIMENSION, enrolment, enrolments, random_embeddings
from tests.walking_people import labelled

pytestmark = pytest.mark.serving
__all__ = ["place"]

FAR = 2**62
OF_FIRST = "WHERE id = 1"
CHANGES = {
    "names swapped": "UPDATE subjects SET name = 'x' WHERE id = 1; UPDATE subjects SET name = 'p0' "
    "WHERE id = 2; UPDATE subjects SET name = 'p1' WHERE id = 1",
    "name with a line end": f"UPDATE subjects SET name = 'a\nb' {OF_FIRST}",
    "name that is a path": f"UPDATE subjects SET name = '..' {OF_FIRST}",
    "no name": f"UPDATE subjects SET name = '' {OF_FIRST}",
    "subject's date": f"UPDATE subjects SET created = 'x' {OF_FIRST}",
    "other modality": f"UPDATE templates SET modality = 'range_view' {OF_FIRST}",
    "unknown modality": f"UPDATE templates SET modality = 'sonar' {OF_FIRST}",
    "expires later": f"UPDATE templates SET expires = expires + 1000 {OF_FIRST}",
    "expires beyond all dates": f"UPDATE templates SET expires = {FAR} {OF_FIRST}",
    "expired before all dates": f"UPDATE templates SET expires = -{FAR} {OF_FIRST}",
    "authorisation": f"UPDATE templates SET authorisation = 'x' {OF_FIRST}",
    "source": f"UPDATE templates SET source = 'x' {OF_FIRST}",
    "frames": f"UPDATE templates SET frames = 1 {OF_FIRST}",
    "digest": f"UPDATE templates SET digest = 'x' {OF_FIRST}",
    "template's date": f"UPDATE templates SET created = 'x' {OF_FIRST}",
    "template of another": f"UPDATE templates SET subject = 2 {OF_FIRST}",
    "embeddings swapped": "UPDATE embeddings SET template = 77 WHERE template = 1; UPDATE "
    "embeddings SET template = 1 WHERE template = 2; UPDATE embeddings SET template = 2 "
    "WHERE template = 77",
    "no embedding": "DELETE FROM embeddings WHERE template = 1",
    "no code": f"UPDATE templates SET code = '' {OF_FIRST}",
    "no key": "DELETE FROM subject_keys WHERE subject = 1",
    "key's fingerprint": "UPDATE subject_keys SET id = 'x' WHERE subject = 1",
    "revision to come": f"UPDATE templates SET revision = {FAR} {OF_FIRST}",
    "revision gone by": f"UPDATE templates SET revision = 0 {OF_FIRST}",
    "negative id": "UPDATE templates SET id = -5 WHERE id = 1; UPDATE embeddings SET template = -5 "
    "WHERE template = 1",
}
"""By what is wrong: statements for both databases."""
OTHER_TYPES = ("5", "'abc'", "x'ff00'", "CAST(x'ff41' AS TEXT)", "9e999")
COLUMNS = {
    "templates": (
        "id",
        "modality source frames digest created authorisation expires revision code",
    ),
    "embeddings": ("template", "sealed"),
    "subject_keys": ("subject", "id wrapped"),
    "subjects": ("id", "name created"),
}
"""By table: its key, and columns that hold anything but what they should. SQLite keeps a value of
any type in any column."""
CASES = [
    *((engine, what, 1) for engine in ("sqlite", "postgres") for what in CHANGES),
    *(
        ("sqlite", f"{table} {key} {column}", len(OTHER_TYPES))
        for table, (key, columns) in COLUMNS.items()
        for column in columns.split()
    ),
]
PEOPLE = [f"p{number}" for number in range(len(OTHER_TYPES) + 2)]


@pytest.mark.parametrize(("engine", "what", "affected"), CASES)
def test_whoever_a_wrong_row_is_not_about_goes_on(
    engine: str, what: str, affected: int, request: pytest.FixtureRequest
) -> None:
    place = place_of(f"{engine}+memory", request)
    with place.create() as gallery:
        gallery.enrol(enrolments(PEOPLE))
    _change(place, CHANGES.get(what) or _of_other_types(*what.split()))
    with place.open() as gallery:
        _check(gallery, 2 if "swapped" in what else affected)


def _of_other_types(table: str, key: str, column: str) -> str:
    return "; ".join(
        f"UPDATE {table} SET {column} = {value} WHERE {key} = {number}"
        for number, value in enumerate(OTHER_TYPES, 1)
    )


@on_each_record
def test_a_calibration_that_somebody_else_wrote_decides_nothing(
    place: Place,
) -> None:
    people, clips = enrolments(PEOPLE), labelled(40, dimension=DIMENSION, clips=1)
    with place.create() as gallery:
        gallery.enrol(people)
        calibration = calibrate(clips, contract=gallery.contract, simulated=True, data="made up")
        gallery.set_calibration(calibration)
        assert gallery.search(people[0].embedding, people[0].modality).decision.verdict is not None
        gallery.rotate(MasterKey.load())
    forged = calibration.model_copy(update={"people": 10**6}).text
    for kept in ("{", "", forged, f"{'0' * 64} {forged}"):
        _change(place, f"UPDATE meta SET calibration = '{kept}'")
        with place.open() as gallery:
            found = gallery.search(people[0].embedding, people[0].modality)
            assert found.candidates[0].subject == "p0"
            assert (found.decision.verdict, found.decision.thresholds) == (None, None)
            assert "changed in the database" in str(found.decision.undecided)
            compared = gallery.verify(people[0].embedding, people[0].modality, "p0").decision
            assert "changed in the database" in str(compared.undecided)
            strangers = gallery.strangers(people[0].modality)
            assert (strangers.thresholds, strangers.rates) == (None, ())
            assert "changed in the database" in str(strangers.undecided)
            with pytest.raises(CalibrationError):
                _ = gallery.calibration
            assert str(describe(gallery)["calibration"]).startswith("damaged")
            gallery.set_calibration(calibration)
            assert gallery.search(people[0].embedding, people[0].modality).decision.verdict


@on_each_record
def test_the_expired_are_erased_though_another_has_a_damaged_template(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = random_embeddings(5)
    names, ending = ("a", "a", "b", "b", "c"), (True, False, True, False, True)
    with place.create() as gallery:
        gallery.enrol(
            [
                enrolment(name, vector, authorisation=BRIEF if brief else AUTHORISATION)
                for name, vector, brief in zip(names, vectors, ending, strict=True)
            ]
        )
    _change(place, "UPDATE templates SET source = 'x' WHERE id = 2")
    monkeypatch.setattr(clock, "now", lambda: SOON)
    with place.open() as gallery:
        receipts = gallery.erase_expired(trust_clock=True)
        assert [(each.subject, each.templates) for each in receipts] == [("b", (3,)), ("c", (5,))]
        gallery.remove_template(2)
        assert [each.templates for each in gallery.erase_expired(trust_clock=True)] == [(1,)]


def _change(place: Place, statements: str) -> None:
    location = parse_location(place.location)
    engine = open_engine(location)
    with transaction(engine) as connection:
        if isinstance(location, Postgres):
            connection.execute(text(f'SET LOCAL search_path TO "{location.schema}"'))
        for statement in statements.split("; "):
            connection.exec_driver_sql(statement)
    engine.dispose()


def _check(gallery: Gallery, affected: int) -> None:
    people = enrolments(PEOPLE)
    for person in people[affected:]:
        first = gallery.identify(person.embedding, 4)[0]
        assert (first.subject, round(first.similarity, 4)) == (person.subject, 1)
        gallery.search(person.embedding, person.modality)
    for person in people[:affected]:
        found = gallery.identify(person.embedding, 4)
        assert found[0].subject == person.subject or found[0].similarity < 0.9
    gallery.subjects()
    for name in PEOPLE:
        _or_refused(partial(gallery.templates, name))
    assert len(gallery.templates("p6")) == 1
    assert State.of(gallery).ready
    gallery.counts()
    gallery.health()
    gallery.erase_expired()
    new = enrolment("new", random_embeddings(1, seed=5)[0])
    gallery.enrol([new])
    assert gallery.identify(new.embedding, 1)[0].subject == "new"
    gallery.remove_subject("p6")
    _or_refused(partial(gallery.remove_subject, "p0"))
    assert "p6" not in [each.subject for each in gallery.identify(people[6].embedding, 9)]


def _or_refused(action: Callable[[], Any]) -> None:
    with suppress(GaitError):
        action()
