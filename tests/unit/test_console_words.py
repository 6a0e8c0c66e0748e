"""The console's words stand in one file, `words.js`, and nowhere else."""

import re
from collections.abc import Iterable
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from gait.modality import Modality
from gait.quality.quality import Mode, Reason
from gallery.decision.decision import Finding
from serve.access.keyring import State
from serve.access.scopes import Scope
from serve.audit.cases import CaseState, Verdict
from serve.audit.record import Action, Outcome
from tests.javascript import literals, without_literals

PAGE = {
    file.name: file.read_text(encoding="utf-8")
    for file in files("serve.page").iterdir()
    if file.name.endswith((".js", ".html"))
}
WORDS = PAGE["words.js"]
OTHERS = sorted(name for name in PAGE if name.endswith(".js") and name != "words.js")

# Where a string names something of the program: an element, an attribute's value, an event.
_NAMED_BY = re.compile(
    r"""(?: \b (?: el | svg | import | may | of | sum | add | remove | radio | select | get\w*
            | sent\.append | createElement\w* | addEventListener | setAttribute ) \(
        | [{ ] (?: id | type | name | role | scope | method | autocomplete | block | "aria-live" ) :
        | \b from | [!=]== ) $""",
    re.VERBOSE,
)
# Where it is a list of classes, or a selector.
_CLASSES = re.compile(r"(?:\b(?:querySelector(?:All)?|matches)\(|[{ ]class:)$")
_PATH = re.compile(r"(?:v1|\.|#|{})?/[\w{}/:.]+")
# Elsewhere these do, and nothing that a person reads is called so.
_NAMES = """
    +x -x +y -y \\n 2d abort alert all_candidates application/json article aria-current aria-hidden
    aria-label aria-live audit:read candidate cancelled cases change check checked clip confirmed
    data-label data-number data-verdict data-words default details div dl end enrol error fair false
    figure form forward found frames gallery gallery:read gallery_modality go good h2 h4 identify
    info key-label label li live:read match metrics middle no-store note on openapi.json p page
    polite poor possible purpose range_view rank readyz recording records rejected review-days
    reviewer revoke rotate section silhouette start stay store stored table text text-anchor tick
    top_k true undecided unreachable unsure unusable value warning word yes access-key field-{}
    {}:check AbortError Content-Type GET POST
    """
_TECHNICAL_SENTENCES = {
    "(prefers-reduced-motion: reduce)",
    "Bearer {}",
    "M{},{} l-6,13 h12 z",
    "candidate first",
}
_TECHNICAL = {*_NAMES.split(), *_TECHNICAL_SENTENCES}


def _words(source: str) -> list[str]:
    """The strings of a page that may be words for people, each with its line."""
    return [
        f"line {each.line}: {each.text}"
        for each in literals(source)
        if re.search(r"[^\W\d_]|[½¼]", each.text.replace("{}", ""))
        and each.text not in _TECHNICAL
        and not _PATH.fullmatch(each.text)
        and not (_NAMED_BY.search(each.before) and re.fullmatch(r"[^A-Z\s]\S*|[A-Z\d]+", each.text))
        and not (_CLASSES.search(each.before) and not re.match("[A-Z]", each.text))
    ]


def test_every_exception_is_needed() -> None:
    there = {each.text for name in OTHERS for each in literals(PAGE[name])}
    assert _TECHNICAL - there == set()


@pytest.mark.parametrize("name", OTHERS)
def test_a_page_holds_no_words_for_people(name: str) -> None:
    told = _words(PAGE[name])
    assert told == [], f"{name}: move them to words.js, or name them in _TECHNICAL if nobody reads"


@pytest.mark.parametrize(
    "planted",
    [
        'note("info", "Nothing was found.")',
        "el('p', {}, 'Nothing was found.')",
        'el("button", {}, "Go")',
        'el("p", { class: "quiet", "aria-label": "The clip" })',
        'field.textContent = known ? "needed" : "optional"',
        "words.push(`${many} people`)",
        "words.push(`${known ? `${many} people` : many}`)",
        'a = b / c; el("p", {}, "It is divided.")',
        'text.replace(/["\'`]/g, ""); el("p", {}, "It was replaced.")',
        'el("small", {}, "½")',
        'place.append("nobody was found")',
        'el("nobody was found")',
        "if (a) { b = `${c}`; } say(`frame ${d}`)",
    ],
)
def test_planted_words_are_found(planted: str) -> None:
    assert len(_words(planted)) >= 1


@pytest.mark.parametrize(
    "source",
    [
        '// "Not a string": a comment\nel("p", { class: "note warning" }, words);',
        "/* `${neither` */ ask(`v1/galleries/${at(name)}/strangers`)",
        'value.match(/^"(.*)"$/); a.append("top_k", 3 / 2 / `${one}`)',
        r'join("\n"); place.querySelector("form button")',
    ],
)
def test_names_of_the_program_are_no_words(source: str) -> None:
    assert _words(source) == []


class _Shown(HTMLParser):
    """Text and attributes that people read, or hear."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        spoken = ("aria-label", "title", "placeholder", "alt", "value")
        self.words += [f"{tag} {name}" for name, _ in attrs if name in spoken]

    def handle_data(self, data: str) -> None:
        self.words += [data.strip()] if data.strip() else []


def test_index_html_says_two_things_only_for_browsers_without_javascript() -> None:
    shown = _Shown()
    shown.feed(PAGE["index.html"])
    title, sentence = shown.words
    assert title == "Gait console"
    assert sentence.startswith("The console needs JavaScript")


def _dictionaries() -> dict[str, set[str]]:
    """The names that `words.js` exports, each with the names of its words, if it has some."""
    bare = "".join(without_literals(WORDS))
    found = {
        name: set[str]() for name in re.findall(r"^export (?:const|function) (\w+)", bare, re.M)
    }
    for name, body in re.findall(r"^export const (\w+) = \{(.*?)\};$", bare, re.M | re.S):
        flat = body
        while (inner := re.sub(r"[\[({][^\[\](){}]*[\])}]", "", flat)) != flat:
            flat = inner
        found[name] = set(re.findall(r"(\w+):", flat))
    return found


def _uses() -> set[tuple[str, str]]:
    """Every `SEARCH.title` in a page, and in `words.js` itself."""
    return {
        use
        for name in [*OTHERS, "words.js"]
        for use in re.findall(r"\b([A-Z]+)\.(\w+)", PAGE[name])
    }


def test_pages_use_words_that_are_there() -> None:
    known = _dictionaries()
    assert len(known) > 30
    missing = {(name, word) for name, word in _uses() if name in known and word not in known[name]}
    assert missing == set()


def test_every_word_is_used() -> None:
    """Words that are found by a code, such as those of a verdict, are not looked at."""
    by_code = re.findall(
        r"\b([A-Z]+)(?:\[|\))", "".join(PAGE[name] for name in [*OTHERS, "words.js"])
    )
    known, used = _dictionaries(), _uses() | {("AUDIT", "fields")}
    unused = {
        (name, word)
        for name, words in known.items()
        for word in words
        if name not in by_code and (name, word) not in used
    }
    assert unused == set()


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("SENSOR", Modality),
        ("VERDICT", Finding),
        ("REASON", Reason),
        ("SCOPE", Scope),
        ("ACTION", Action),
        ("OUTCOME", Outcome),
        ("REVIEW", Verdict),
        ("STATE", CaseState),
        ("states", State),
        ("modes", Mode),
    ],
)
def test_every_code_of_the_service_has_words(name: str, codes: Iterable[str]) -> None:
    block = re.search(rf"\b{name}(?: = {{.*?}};|: {{.*?}},)", WORDS, re.DOTALL)
    assert block
    known = set(re.findall(r"\"?([\w.:]+)\"?: [\"{]", block[0]))
    assert set(map(str, codes)) - known == set()
