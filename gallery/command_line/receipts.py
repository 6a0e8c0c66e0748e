"""Receipts of erasures, for people to read and for files to keep."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from gait.errors import StorageError
from gallery.template import Receipt


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


@contextmanager
def kept_in(path: Path | None) -> Iterator[list[Receipt]]:
    """A list whose receipts are in a new file when the block ends, even by an error.

    The file is made first, so that nothing is erased whose receipt cannot be kept.

    Args:
        path: of the file; None for no file.

    Raises:
        StorageError: the file exists, or cannot be written.
    """
    receipts: list[Receipt] = []
    if path is None:
        yield receipts
        return
    try:
        file = path.open("x", encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot write the receipt {path}: {error}") from error
    with file:
        try:
            yield receipts
        finally:
            file.write(as_json(receipts) + "\n")
