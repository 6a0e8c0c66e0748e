"""The documents name what exists: links, headings, paths, and commands with their options."""

import functools
import re
import runpy
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest
import tyro

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("results/*.md")),
]
LINK = re.compile(r"\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)
ROOMS = "gait|capture|train|export|gallery|serve|bench|tests"
TRACKED = re.compile(
    rf"`((?:{ROOMS}|configs|docs|results|scripts|deploy)/[\w./-]+\w)(?:::\w[\w.]*)?`"
)
COMMAND = re.compile(rf"(?:python|torchrun [^\n]*?) -m ((?:{ROOMS})[\w.]*)([^\n]*)")

SHELL = re.compile(r"(?:\)?; |\s[>|]|\s&&).*$")
"""What the shell makes of the rest of a line: a redirection, a pipe, the next command."""


class ParsedError(Exception):
    """The command line was understood; nothing was run."""


def page(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(text: str) -> set[str]:
    """What the headings of a page are called in links."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


def broken_links(path: Path, text: str) -> list[str]:
    """Relative links of a page whose file or heading is not there."""
    found = []
    for link in LINK.findall(BLOCK.sub("", text)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            found.append(link)
    return found


def commands(text: str) -> list[tuple[str, str]]:
    """Module and arguments of each of our commands, in code blocks and between backticks."""
    lines = [
        line for block in BLOCK.findall(text) for line in block.replace("\\\n", " ").splitlines()
    ]
    lines += [" ".join(each.split()) for each in re.findall(r"`([^`]+)`", BLOCK.sub("", text))]
    found = [(each[1], each[2]) for line in lines for each in COMMAND.finditer(line)]
    plain = [(module, re.sub(r"\$\([^)]*\)", "X", arguments)) for module, arguments in found]
    return [(module, SHELL.sub("", arguments)) for module, arguments in plain]


def understand(module: str, arguments: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has a command read its own command line, types and choices included, and stop there."""
    real, several = tyro.cli, tyro.extras.subcommand_cli_from_dict

    def cli(command: Any, **options: Any) -> NoReturn:
        real(idle(command), **options)
        raise ParsedError

    def subcommands(by_name: Mapping[str, Any], **options: Any) -> NoReturn:
        several({name: idle(command) for name, command in by_name.items()}, **options)
        raise ParsedError

    monkeypatch.setattr(tyro, "cli", cli)
    monkeypatch.setattr(tyro.extras, "subcommand_cli_from_dict", subcommands)
    file = source(module)
    monkeypatch.setattr(sys, "argv", [str(file), *shlex.split(arguments, comments=True)])
    runpy.run_path(str(file), run_name="__main__")


def idle(command: Any) -> Any:
    """A function of the same arguments that does nothing; a class of arguments as it is."""
    if isinstance(command, type):
        return command
    return functools.wraps(command)(lambda *_, **__: None)


def source(module: str) -> Path:
    """The file that `python -m` runs."""
    file = ROOT / module.replace(".", "/")
    return file / "__main__.py" if file.is_dir() else file.with_suffix(".py")


COMMANDS = sorted({each for path in PAGES for each in commands(path.read_text("utf-8"))})


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_links_lead_somewhere(path: Path) -> None:
    assert broken_links(path, path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_paths_of_the_repository_exist(path: Path) -> None:
    named = TRACKED.findall(path.read_text("utf-8"))
    assert [each for each in named if not (ROOT / each).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_no_page_holds_what_a_merge_left(path: Path) -> None:
    text = path.read_text("utf-8")
    assert re.findall(r"^(?:<{7}|={7}|>{7})(?: .*)?$", text, re.M) == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("docs/*.md")), ids=page)
def test_each_page_says_whom_it_is_for_and_is_in_the_index(path: Path) -> None:
    assert path.read_text("utf-8").split("\n\n")[1].startswith("For ")
    assert path.name == "README.md" or path.name in (ROOT / "docs/README.md").read_text("utf-8")


def test_commands_exist() -> None:
    assert len(COMMANDS) > 50
    assert [module for module, _ in COMMANDS if not source(module).is_file()] == []


@pytest.mark.parametrize(
    ("module", "arguments"),
    [each for each in COMMANDS if each[1].strip() not in ("", "--help")],
    ids="".join,
)
def test_commands_understand_their_options(
    module: str, arguments: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ParsedError):
        understand(module, arguments, monkeypatch)


def test_what_is_not_there_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    index = ROOT / "docs" / "README.md"
    text = (
        "[a](gone.md) [b](gallery.md#search) [c](gallery.md#no-such-heading) [d](https://x.org/y)"
    )
    assert broken_links(index, text) == ["gone.md", "gallery.md#no-such-heading"]
    assert TRACKED.findall("`train/gone.py::name` and `demo/run`") == ["train/gone.py"]
    assert commands("`python -m gallery.list\n--no-such`") == [("gallery.list", " --no-such")]
    with pytest.raises(SystemExit):
        understand("gallery.list", " --no-such", monkeypatch)
