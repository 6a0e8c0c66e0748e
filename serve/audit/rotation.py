"""Closing a file of records, and deleting the oldest when they were kept long enough.

The chain goes on over the border: the first record of the next file names the hash of the last of
the one before. What is deleted is recorded first, with its last hash, so that the rest verifies.
"""

import os
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path

from gait.errors import AuditBrokenError, AuditError, StorageError
from serve.audit.chain import FILE, Chain
from serve.audit.record import Action, Entry, Keys, Mark, Outcome, Record
from serve.audit.verify import ARCHIVE, archives, first_of, rows


def rotate(folder: Path, keys: Keys) -> Path:
    """Closes `audit.db`: its records go to an archive, and the chain goes on in an empty file.

    A service that runs waits with its records meanwhile. A crash leaves the records in one of both
    files or in both, and verification understands each.

    Returns:
        The archive, `audit-archive/audit-FIRST-LAST.db`, which may be moved.

    Raises:
        AuditBrokenError: the chain is not whole; nothing was changed.
        StorageError: there is no space for a copy; nothing was changed.
    """
    with closing(_existing(folder, keys)) as chain:
        archive = chain.hand_over(partial(_archived, folder, chain, keys))
    for older in archives(folder):
        if older != archive and first_of(older) == first_of(archive):
            older.unlink()  # of a rotation that was cut short
    return archive


def retire(folder: Path, keys: Keys, before: datetime) -> list[str]:
    """Deletes archives all of whose records are older than a moment, the oldest first.

    Returns:
        Names of the deleted files.

    Raises:
        AuditBrokenError: an archive is not whole: verify, and keep it as evidence.
        StorageError: the folder cannot be written.
    """
    deleted = []
    with closing(_existing(folder, keys)) as chain:
        for archive in archives(folder):
            last = _last(archive, keys)
            if datetime.fromisoformat(last.time) >= before:
                break
            chain.append(
                Record(
                    *(Action.RETIRE_CHAIN, Outcome.DONE, "command", "local"),
                    about=last.sequence,
                    detail=last.hash,
                )
            )
            archive.unlink()
            deleted.append(archive.name)
    return deleted


def accept(folder: Path, keys: Keys, reason: str) -> Mark:
    """Goes on although records at the end are lost, as after an old backup was put back.

    Returns:
        The record that says so.
    """
    with closing(Chain(folder, keys, accept=reason)) as chain:
        return chain.last().mark


def _existing(folder: Path, keys: Keys) -> Chain:
    if not (folder / FILE).is_file():
        raise AuditError(f"there are no audit records in {folder}")
    return Chain(folder, keys)


def _archived(folder: Path, chain: Chain, keys: Keys, last: Entry) -> Path:
    """A verified copy of the chain's file that ends with `last`, on the disk."""
    target, copy = folder / ARCHIVE, folder / ARCHIVE / "partial"
    try:
        target.mkdir(exist_ok=True, mode=0o700)
        copy.unlink(missing_ok=True)
        chain.copy(copy)
        first = _whole(copy, keys, last)
        archive = target / f"audit-{first:012}-{last.sequence:012}.db"
        copy.chmod(0o400)
        _synced(copy)
        copy.replace(archive)
        _synced(target)
    except OSError as error:
        raise StorageError(f"cannot write to {target} ({error.strerror})") from error
    return archive


def _whole(path: Path, keys: Keys, last: Entry) -> int:
    """Sequence of the first record, when the file holds everything up to `last`."""
    before: Entry | None = None
    first = 0
    for _, body, hashed in rows(path, closed=True):
        entry = Entry.parse(body, hashed) if keys.authentic(body, hashed) else None
        if entry is None or not _follows(entry, before):
            raise AuditBrokenError(_BROKEN)
        first, before = first or entry.sequence, entry
    if before is None or before.hash != last.hash:
        raise AuditBrokenError(_BROKEN)
    return first


def _follows(entry: Entry, before: Entry | None) -> bool:
    return before is None or entry.previous == before.hash


def _last(archive: Path, keys: Keys) -> Entry:
    *_, (_, body, hashed) = rows(archive, closed=True)
    if not keys.authentic(body, hashed):
        raise AuditBrokenError(f"{archive.name} is not whole: verify it, and keep it as evidence")
    return Entry.parse(body, hashed)


def _synced(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


_BROKEN = "the chain is not whole: `python -m serve.audit verify` says where; nothing was changed"
