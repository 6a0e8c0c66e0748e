"""Zip archives in memory: checked as a whole before the first entry is inflated."""

import io
import re
import stat
import struct
import zipfile
import zlib

from gait.decode.limits import Limits
from gait.errors import CorruptFileError, ForbiddenContentError, LimitExceededError

MAGIC = b"PK\x03\x04"
EMPTY_MAGIC = b"PK\x05\x06"
_END = struct.Struct("<4s4H2LH")  # end of central directory, without comment
_HEAD = 1024
_MAX_COMMENT = 0xFFFF
_NAME_ALLOWANCE = 512  # directory bytes an entry may take: 46, name and extra fields
_NESTED = (MAGIC, EMPTY_MAGIC, b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b", b"BZh9", b"\xfd7zXZ")
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    OSError,
)


class Archive:
    """The files of a zip archive, in natural order of their names (2 before 10).

    Folders and what desktop systems add (`__MACOSX/`, names that begin with a dot) are left out.

    Args:
        data: the zip file.
        limits: caps on the number of entries and on the sum of their declared sizes.

    Raises:
        CorruptFileError: not a readable zip.
        LimitExceededError: too many entries, or more bytes than allowed once inflated.
        ForbiddenContentError: absolute paths, `..`, links, duplicates, encryption.
    """

    def __init__(self, data: bytes, limits: Limits) -> None:
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(_without_comment(data, limits)))
        except _BROKEN as error:
            raise CorruptFileError("the zip archive cannot be read; pack it anew") from error
        every = self._zip.infolist()
        limits.check_entries(len(every))
        for entry in every:
            _check_entry(entry)
        _check_unique([entry.filename for entry in every])
        limits.check_inflated(sum(entry.file_size for entry in every))
        files = [entry for entry in every if not _is_ignored(entry)]
        self._files = sorted(files, key=lambda entry: natural_key(entry.filename))

    def __len__(self) -> int:
        return len(self._files)

    @property
    def names(self) -> list[str]:
        """Of the files, in order."""
        return [entry.filename for entry in self._files]

    def head(self, place: int) -> bytes:
        """The first bytes of a file, enough to tell what it is."""
        try:
            with self._zip.open(self._files[place]) as file:
                head = file.read(_HEAD)
        except _BROKEN as error:
            raise CorruptFileError("an archive entry cannot be inflated; pack it anew") from error
        _refuse_nested(head)
        return head

    def read(self, place: int) -> bytes:
        """Content of one file, by its place in the order."""
        return self._inflate(self._files[place])

    def _inflate(self, entry: zipfile.ZipInfo) -> bytes:
        """`zipfile` stops at the declared size; more than that shows as a checksum mismatch."""
        try:
            with self._zip.open(entry) as file:
                content = file.read(entry.file_size + 1)
        except _BROKEN as error:
            raise CorruptFileError("an archive entry cannot be inflated; pack it anew") from error
        if len(content) != entry.file_size:
            raise CorruptFileError(
                f"an archive entry has {len(content)} bytes, {entry.file_size} were declared"
            )
        return content


def _refuse_nested(head: bytes) -> None:
    if head.startswith(_NESTED):
        raise ForbiddenContentError("got an archive inside the archive; pack the frames only")


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key that compares runs of digits as numbers and the rest as text."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [_part_key(part) for part in parts], name


def _part_key(part: str) -> tuple[int, int, str]:
    if not part[0].isascii() or not part[0].isdigit():
        return 1, 0, part
    number = part.lstrip("0")
    return 0, len(number), number


def _without_comment(data: bytes, limits: Limits) -> bytes:
    """The archive up to its end record, so that nothing but this finds where it ends.

    Bounds the directory before `zipfile` builds an object for every record of it.
    """
    start = data.rfind(EMPTY_MAGIC, max(0, len(data) - _END.size - _MAX_COMMENT))
    if start < 0 or start + _END.size > len(data):
        raise CorruptFileError("the zip archive is cut off; pack it anew")
    _, *numbers, comment = _END.unpack_from(data, start)
    if start + _END.size + comment != len(data):
        raise CorruptFileError("the zip archive is cut off, or has bytes behind it; pack it anew")
    if data[max(0, start - 20) : start].startswith(b"PK\x06\x07"):
        raise LimitExceededError("got a ZIP64 archive; send a smaller clip", limit="max_entries")
    entries, directory_bytes = numbers[3], numbers[4]
    limits.check_entries(entries)
    if directory_bytes > limits.max_entries * _NAME_ALLOWANCE:
        raise LimitExceededError(
            "the directory of the zip archive is too large; use short names and fewer frames",
            limit="max_entries",
            allowed=limits.max_entries,
        )
    return data[: start + _END.size - 2] + b"\0\0" if comment else data


def _check_entry(entry: zipfile.ZipInfo) -> None:
    mode = stat.S_IFMT(entry.external_attr >> 16)
    if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ForbiddenContentError("the archive holds a link or a device; pack plain files")
    if entry.flag_bits & 0x1:
        raise ForbiddenContentError("the archive is encrypted; pack it without a password")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ForbiddenContentError("the archive is not stored or deflated; pack it as plain zip")
    name = entry.orig_filename
    parts = re.split(r"[/\\]", name)
    if parts[0] == "" or ":" in parts[0] or ".." in parts or "\0" in name:
        raise ForbiddenContentError("the archive holds an absolute path or one with '..'")


def _check_unique(names: list[str]) -> None:
    seen = {"/".join(part for part in name.split("/") if part not in ("", ".")) for name in names}
    if len(seen) != len(names):
        raise ForbiddenContentError("the archive holds the same name twice; pack each frame once")


def _is_ignored(entry: zipfile.ZipInfo) -> bool:
    parts = entry.filename.split("/")
    return entry.is_dir() or parts[0] == "__MACOSX" or parts[-1].startswith(".")
