"""A motion file's text, with errors that name the file and the line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from gait.errors import MotionFileError

MAX_BYTES = 32 * 2**20
"""Size cap of one file; a minute of 31 bones at 120 Hz is about 4 MB."""

LARGEST = 1e9
"""What the numbers of a line may add up to: more is damage, and squares of it overflow."""

MAX_BONES = 256
MAX_FRAMES = 200_000


@dataclass(frozen=True)
class Source:
    """One motion file.

    Args:
        name: what to call the file in errors.
        text: its whole content.
    """

    name: str
    text: str

    @staticmethod
    def decode(name: str, data: bytes) -> "Source":
        """Text of a file's bytes.

        Raises:
            MotionFileError: larger than `MAX_BYTES`, or not text.
        """
        if len(data) > MAX_BYTES:
            raise MotionFileError(
                f"{name}: {len(data)} bytes, at most {MAX_BYTES} are read; cut the recording",
                file=name,
            )
        try:
            return Source(name, data.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise MotionFileError(
                f"{name}:{line}: not a text file (byte {error.start} is not UTF-8)",
                file=name,
                line=line,
            ) from error

    def lines(self) -> Iterator[tuple[int, list[str]]]:
        """Number (from 1) and words of every line that has any; `#` starts a comment."""
        for number, line in enumerate(self.text.splitlines(), start=1):
            words = line.partition("#")[0].split()
            if words:
                yield number, words

    def fail(self, line: int, message: str) -> NoReturn:
        """Raises `MotionFileError` for a line (from 1)."""
        raise MotionFileError(f"{self.name}:{line}: {message}", file=self.name, line=line)

    def numbers(self, line: int, words: Sequence[str], count: int) -> list[float]:
        """`words` as exactly `count` finite numbers.

        Raises:
            MotionFileError: another count, not a number, NaN or infinite.
        """
        if len(words) != count:
            self.fail(line, f"got {len(words)} numbers, want {count}")
        try:
            values = [float(word) for word in words]
        except ValueError as error:
            self.fail(line, f"{error}".replace("string to float", "to a number"))
        # One test for the whole line: NaN is not below anything.
        if not sum(map(abs, values)) < LARGEST:
            self.fail(line, f"NaN and infinite values are refused, and such above {LARGEST:g}")
        return values

    def integer(self, line: int, word: str, low: int, high: int) -> int:
        """`word` as a whole number within `low`..`high`.

        Raises:
            MotionFileError: not a whole number, or out of range.
        """
        if not word.isascii() or not word.isdigit() or not low <= int(word[:12]) <= high:
            self.fail(line, f"got {word[:20]!r}, want a whole number from {low} to {high}")
        return int(word)
