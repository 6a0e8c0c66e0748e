"""The strings of JavaScript source: enough of its grammar to know them from code and comments."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_QUOTED = re.compile(r"""(["'])((?:\\.|(?!\1)[^\\\n])*)\1""")
_REGEX = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/[a-z]*")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_WORD = re.compile(r"[\w$.]+")
_ENDS_A_VALUE = re.compile(r"[\w$)\]}\"'`]")
_VALUE = "{}"


@dataclass(frozen=True)
class Literal:
    """A string of source.

    Args:
        text: as it is written; values in a template are `{}`.
        line: on which it begins.
        before: source in front of it, without the space between.
        start: where it begins.
        end: where it has ended.
    """

    text: str
    line: int
    before: str
    start: int
    end: int


def literals(source: str) -> list[Literal]:
    """Every string and template of a source, those inside templates too, as they stand."""
    return sorted(_Reader(source).code(0, None)[1], key=lambda each: each.start)


class _Reader:
    def __init__(self, source: str) -> None:
        self.source = source

    def code(self, at: int, closes: str | None) -> tuple[int, list[Literal]]:
        """Reads code up to a bracket; returns where it goes on, and the strings."""
        found: list[Literal] = []
        last = ""  # what a slash after it means: a division, or the start of a pattern
        while at < len(self.source):
            letter = self.source[at]
            if letter == closes:
                return at + 1, found
            if match := _COMMENT.match(self.source, at):
                at = match.end()
            elif match := _QUOTED.match(self.source, at):
                found.append(self._literal(match[2], at, match.end()))
                at, last = match.end(), letter
            elif letter == "`":
                at, inside = self.template(at)
                found, last = found + inside, letter
            elif letter == "{":
                at, inside = self.code(at + 1, "}")
                found, last = found + inside, ""
            elif letter == "/" and not _ENDS_A_VALUE.match(last):
                match = _REGEX.match(self.source, at)
                assert match, self.source[at : at + 40]
                at, last = match.end(), letter
            elif match := _WORD.match(self.source, at):
                at, last = match.end(), "" if match[0] == "return" else letter
            else:
                at, last = at + 1, last if letter.isspace() else letter
        return at, found

    def template(self, start: int) -> tuple[int, list[Literal]]:
        """Reads a template from its first backtick."""
        at, text, found = start + 1, "", list[Literal]()
        while self.source[at] != "`":
            if self.source.startswith("${", at):
                at, inside = self.code(at + 2, "}")
                text, found = text + _VALUE, found + inside
            else:
                step = 2 if self.source[at] == "\\" else 1
                at, text = at + step, text + self.source[at : at + step]
        return at + 1, [self._literal(text, start, at + 1), *found]

    def _literal(self, text: str, start: int, end: int) -> Literal:
        line = self.source.count("\n", 0, start) + 1
        return Literal(text, line, self.source[:start].rstrip(), start, end)


def without_literals(source: str) -> Iterator[str]:
    """The source with every string emptied, piece by piece."""
    at = 0
    for each in literals(source):
        if each.start >= at:
            yield source[at : each.start] + '""'
            at = each.end
    yield source[at:]
