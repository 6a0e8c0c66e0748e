"""What text fields take, and how text of any origin is shown."""

import pytest

from gait.errors import GalleryError
from gallery.template import check_name
from serve.audit.record import Action, AuditEntry, Outcome
from serve.text import drawable, kept, nearest, one_line


@pytest.mark.parametrize(
    "text", ["\ud800", "\0", "a\nb", "\x1b[2J", "\x9b2J", "\u202e", "\u2028", "a\ufffdb", "\u200b"]
)
def test_text_that_cannot_be_kept(text: str) -> None:
    with pytest.raises(ValueError, match="one line of printable characters"):
        one_line(text)
    assert drawable(text).isprintable()
    assert kept(text).encode()


def test_accents_are_composed() -> None:
    assert one_line("e\u0301") == kept("e\u0301") == "\xe9"
    assert one_line("Straße 7, 東京; ½ 👣") == "Straße 7, 東京; ½ 👣"


def test_only_the_beginning_of_unchecked_text_is_kept() -> None:
    assert kept("x" * 10**6) == "x" * 256
    assert len(kept("\0" * 10**6)) == 256


def test_the_nearest_name_is_proposed() -> None:
    assert nearest("galery", ("gallery", "top_k")) == ", did you mean gallery?"
    assert nearest("zzz", ("gallery", "top_k")) == ""
    assert nearest("x" * 10**6, ("gallery",)) == ""


@pytest.mark.parametrize(
    "name",
    [
        *(".", "..", "...", ".a", "a.", "a..", " a", "a ", "a/b", "a/../b", "..\\", "a\\b"),
        *("a?b", "a#b", "%2e", "%2e%2e", "%2E%2E", "a%2fb", "%41", "%c3%a9", "%00"),
        *("\uff0e\uff0e", "\u2025", "\u2024", "a\uff0fb", "a\uff3cb", "\u2100", "a\uff1fb"),
        *("\ud800", "a\0", "a\nb", "\u202ea", "e\u0301", "", "x" * 129),
        *("\u3164", "a\ufe0f", "\u845b\U000e0100", "\u2800", "a\u034f"),
    ],
)
def test_names_that_some_program_reads_as_another(name: str) -> None:
    with pytest.raises(GalleryError):
        check_name(name)


@pytest.mark.parametrize(
    "name", ["0042", "J. R. Smith", "a..b", "100 %", "50%", "x:merge", "a;b", "José", "東京", "a&b"]
)
def test_names_that_mean_only_themselves(name: str) -> None:
    check_name(name)


def test_a_record_of_another_version_is_read() -> None:
    text = '{"action":"later.action","outcome":"later","request":"r","caller":"c","sequence":1,'
    text += '"time":"t","previous":"p","reviewer":"\\ud800\\u001b[2J"}'
    entry = AuditEntry.parse(text, "0" * 64)
    assert (entry.action, entry.outcome) == ("later.action", "later")
    assert entry.model_dump_json(ensure_ascii=True).isprintable()
    known = AuditEntry.parse(text.replace("later.action", "enrol").replace("later", "done"), "0")
    assert (known.action, known.outcome) == (Action.ENROL, Outcome.DONE)
    assert isinstance(known.action, Action)
