"""Receipts of erasures, for people to read and for files to keep."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from gait.errors import StorageError
from gallery.template import Receipt

_PERSON = 2048
"""Bytes of a receipt without its templates: a name of 128 characters takes up to 1,536."""
_TEMPLATE = 24
"""Bytes of a template's number."""


def as_text(receipt: Receipt) -> str:
    """A receipt in a few lines."""
    ids = ", ".join(map(str, receipt.templates + receipt.pictures))
    many = f"{len(receipt.templates)} templates ({ids})"
    what = f"the picture of template {ids}" if receipt.pictures else many
    how = {
        "overwritten": "destroyed: overwritten in the record and its log",
        "deleted": "destroyed: deleted from the record; the database's log may keep it, wrapped by "
        "the master key, until that is recycled",
    }[receipt.destruction]
    return (
        f"removed   {receipt.subject}: {what}\n"
        f"key       {receipt.key} {how}\n"
        f"gallery   {receipt.gallery}, revision {receipt.revision}\n"
        f"erased    {receipt.erased}"
    )


def as_json(receipts: Sequence[Receipt]) -> str:
    """Receipts as a JSON array."""
    return json.dumps([asdict(receipt) for receipt in receipts])


def room_for(people: int, templates: int) -> int:
    """Bytes that the receipts of so many people and templates may take."""
    return _PERSON * (people + 1) + _TEMPLATE * templates


@contextmanager
def kept_in(path: Path | None, room: int) -> Iterator[list[Receipt]]:
    """A list whose receipts are in a new file when the block ends, even by an error.

    The file and its room on the disk are taken first, so that nothing is erased whose receipt
    cannot be kept. If an error leaves the list empty, there is no file either.

    Args:
        path: of the file; None for no file: then an error prints the receipts that there are.
        room: bytes that the receipts may take.

    Raises:
        StorageError: the file exists, or has no room: nothing was erased. Or people were erased
            and it cannot be written any more: their receipts are printed.
    """
    receipts: list[Receipt] = []
    if path is not None:
        _reserve(path, room)
    try:
        yield receipts
    except BaseException:
        if receipts:
            _keep(path, [each.unfinished for each in receipts])
        elif path is not None:
            path.unlink(missing_ok=True)
        raise
    if path is not None:
        _keep(path, receipts)


def _reserve(path: Path, room: int) -> None:
    """Makes a durable file of this size, whose room on the disk is taken."""
    try:
        with path.open("xb") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, room)
                os.fsync(file.fileno())
            except BaseException:
                path.unlink()
                raise
    except OSError as error:
        raise StorageError(
            f"cannot write the receipt {path}, so nothing was erased: {error}"
        ) from error


def _keep(path: Path | None, receipts: Sequence[Receipt]) -> None:
    if path is None:
        print(as_json(receipts))
        return
    try:
        with path.open("r+b") as file:
            _write(file, as_json(receipts).encode() + b"\n")
    except OSError as error:
        if not receipts:
            raise StorageError(f"nothing was erased, but {path}: {error}") from error
        print(as_json(receipts))
        raise StorageError(
            f"data of {len(receipts)} people WERE erased, but {path} cannot keep the receipts "
            f"({error}): they stand on standard output, keep that"
        ) from error


def _write(file: BinaryIO, data: bytes) -> None:
    """Writes over what is there, and returns when it is on the disk."""
    file.write(data)
    file.truncate()
    file.flush()
    os.fsync(file.fileno())
