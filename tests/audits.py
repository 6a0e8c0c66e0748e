"""Audit records for tests, and the hands that tamper with them."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from gallery.record.master_key import MasterKey
from serve.audit.chain import FILE, SCHEMA, Chain
from serve.audit.record import Action, Entry, Keys, Outcome, Record, Seen

KEYS = Keys(MasterKey(bytes(range(32))))


def used(
    number: int = 0,
    subject: str = "anna",
    caller: str = "0a1b2c3d",
    intent: int | None = None,
) -> Record:
    """The record of an identification."""
    return Record(
        Action.IDENTIFY,
        Outcome.DONE,
        request=f"{number:032x}",
        caller=caller,
        purpose="missing person 17",
        gallery="default",
        revision=61,
        probes=(KEYS.probe(b"clip"),),
        candidates=(Seen(subject, 0.8713, 17), Seen("bob", 0.6, 3)),
        intent=intent,
    )


def filled(folder: Path, count: int = 9) -> list[Entry]:
    """A chain of `count` records and the one that opened it, closed again."""
    with Chain(folder, KEYS) as chain:
        return [chain.last(), *(chain.append(used(number))[0] for number in range(count))]


def tamper(folder: Path, *statements: str, values: Sequence[object] = (), file: str = FILE) -> None:
    """Changes records as someone can who has the file: takes the rules away and puts them back."""
    with closing(sqlite3.connect(folder / file)) as database, database:
        for rule in list(SCHEMA)[1:]:
            database.execute(f"DROP TRIGGER {rule}")
        for statement in statements:
            database.execute(statement, values)
        for sql in list(SCHEMA.values())[1:]:
            database.execute(sql)
