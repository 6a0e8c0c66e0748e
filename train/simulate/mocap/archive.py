"""The motion files of a folder or of a `.tar.gz`, found without unpacking anything to disk."""

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from gait.errors import MotionFileError
from train.simulate.mocap.source import MAX_BYTES, Source

SUFFIXES = (".asf", ".amc", ".bvh")

MAX_MEMBERS = 10_000
MAX_TOTAL = 512 * 2**20
"""Caps of an archive, checked from its headers."""

Files = Mapping[PurePosixPath, Callable[[], Source]]


def find_files(path: Path) -> Files:
    """Finds motion files; each is read only when asked for (those of an archive at once).

    An archive is read into memory, never extracted: links, special files and paths that leave
    the archive are refused all the same.

    Args:
        path: a folder, searched with everything below it, or a `.tar.gz`/`.tar`.

    Returns:
        Readers by path relative to `path`, sorted.

    Raises:
        MotionFileError: `path` is neither, holds no motion file, or is a hostile archive.
    """
    if path.is_dir():
        found = dict(_in_folder(path))
    elif path.is_file():
        try:
            found = dict(_in_archive(path))
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeError) as error:
            raise MotionFileError(
                f"{path}: not a whole tar archive; give a folder or a .tar.gz", file=path.name
            ) from error
    else:
        raise MotionFileError(f"{path}: no such folder or archive", file=path.name)
    if not found:
        raise MotionFileError(f"{path}: holds no .asf, .amc or .bvh file", file=path.name)
    return dict(sorted(found.items()))


def _in_folder(folder: Path) -> Iterator[tuple[PurePosixPath, Callable[[], Source]]]:
    for file in folder.rglob("*"):
        if file.suffix.lower() in SUFFIXES and file.is_file():
            relative = PurePosixPath(file.relative_to(folder).as_posix())
            yield relative, partial(_read, file)


def _read(file: Path) -> Source:
    with file.open("rb") as stream:
        return Source.decode(file.name, stream.read(MAX_BYTES + 1))


def _in_archive(path: Path) -> Iterator[tuple[PurePosixPath, Callable[[], Source]]]:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    total = 0
    with (
        gzip.open(path) if zipped else path.open("rb") as stream,
        tarfile.open(fileobj=stream, mode="r:") as archive,
    ):
        for count, member in enumerate(archive, start=1):
            name = PurePosixPath(member.name)
            total += member.size
            if name.is_absolute() or ".." in name.parts or not (member.isfile() or member.isdir()):
                _refuse(path, f"{member.name!r} is a link or leaves the archive")
            if count > MAX_MEMBERS or total > MAX_TOTAL or member.size > MAX_BYTES:
                _refuse(path, f"too large at {member.name!r}; unpack what you need into a folder")
            content = archive.extractfile(member) if name.suffix.lower() in SUFFIXES else None
            if content is not None:
                yield name, partial(Source.decode, name.name, content.read())
        stream.read(tarfile.RECORDSIZE)  # to the end, where gzip keeps its checksum


def _refuse(path: Path, reason: str) -> None:
    raise MotionFileError(f"{path}: {reason}", file=path.name)
