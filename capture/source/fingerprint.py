"""What tells one recording from another, whatever its name and wherever it lies."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

_OF_A_FILE = 1 << 20
"""Bytes that are read at each end of a recording that is one file."""

_OF_EACH = 1 << 14
"""Bytes that are read at each end of each file of a folder."""


def fingerprint(path: Path, without: Path | None = None) -> str:
    """16 hexadecimal digits of a recording: of the names and sizes of its files and of both ends.

    One that was moved or copied keeps its digits: times of change do not count. What is changed in
    the middle of a large file, without its size, is not noticed.

    Args:
        path: a file, whose own name does not count, or a folder; files with a dot are left out.
        without: a folder that is left out, such as that of the results.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    if path.is_file():
        digest.update(_ends(path, _OF_A_FILE))
    else:
        for file in _files(path, without):
            digest.update(f"{file.relative_to(path)}\0".encode(errors="surrogateescape"))
            digest.update(_ends(file, _OF_EACH))
    return digest.hexdigest()[:16]


def _files(folder: Path, without: Path | None) -> Iterator[Path]:
    """All files in a folder and in those inside it, also by links, in order; each folder once."""
    known = set() if without is None else {without.resolve()}
    for inner, folders, names in os.walk(folder, followlinks=True):
        here = Path(inner)
        if (place := here.resolve()) in known:
            folders.clear()
            continue
        known.add(place)
        folders[:] = sorted(name for name in folders if name[0] != ".")
        found = (here / name for name in sorted(names) if name[0] != ".")
        yield from (file for file in found if file.is_file())


def _ends(file: Path, most: int) -> bytes:
    """The size of a file and the bytes at its beginning and at its end."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        first = opened.read(most)
        opened.seek(max(most, size - most))
        return b"%d\0" % size + first + opened.read(most)
