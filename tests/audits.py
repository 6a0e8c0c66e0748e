"""Audit records for tests, and the hands that tamper with them."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from gallery.record.master_key import MasterKey
from serve.audit.key import AuditKey, load_key
from serve.audit.log import FILE, AuditLog
from serve.audit.record import Action, AuditEntry, Outcome, Record, ShownCandidate

MASTER = MasterKey(bytes(range(32)))


def used(number: int = 0, subject: str = "anna", **known: Any) -> Record:
    """The record of an identification."""
    candidates = (
        ShownCandidate(subject=subject, similarity=0.8713, template=17),
        ShownCandidate(subject="bob", similarity=0.6, template=3),
    )
    given: dict[str, Any] = {
        "action": Action.IDENTIFY,
        "outcome": Outcome.DONE,
        "request": f"{number:032x}",
        "caller": "0a1b2c3d",
        "purpose": "missing person 17",
        "gallery": "default",
        "revision": 61,
        "probes": ("00",),
        "candidates": candidates,
    }
    return Record(**given | known)


def key_of(folder: Path) -> AuditKey:
    """The key of the records in a folder."""
    key, begun = load_key(folder, MASTER)
    assert begun
    return key


def filled(folder: Path, count: int = 9) -> list[AuditEntry]:
    """A log of `count` records and the one that began it, closed again."""
    with AuditLog.open(folder, MASTER) as audit:
        return [audit.last(), *(audit.write(used(number)) for number in range(count))]


def tamper(folder: Path, *statements: str) -> None:
    """Changes the file as someone can who has it."""
    with closing(sqlite3.connect(folder / FILE)) as database, database:
        for statement in statements:
            database.execute(statement)
