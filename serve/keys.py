"""Command: access keys of the service.

    python -m serve.keys new keys.json --scopes identify --note "camera gate"
    python -m serve.keys list keys.json
    python -m serve.keys rotate keys.json ID
    python -m serve.keys revoke keys.json ID

A new key or secret is printed, once; the file holds only hashes. A running service sees the change
at its next request.
"""

import json as json_format
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import ValidationError

from gait import cli
from gait.errors import ConfigError
from gallery.command_line.table import table
from serve.access.key_file import KeyFile
from serve.access.keyring import DAYS, OVERLAP_HOURS, Grant, Issued, Key, utc_now
from serve.access.scopes import Scope
from serve.text import drawable

File = tyro.conf.Positional[Path]
Id = tyro.conf.Positional[str]


def new(
    file: File,
    scopes: tuple[Scope, ...],
    galleries: tuple[str, ...] = (),
    days: int = DAYS,
    note: str = "",
) -> None:
    """Makes a key, adds it to a key file and prints it. It is shown this once.

    Args:
        file: key file; made if it does not exist.
        scopes: what the key is for; none (`--scopes` alone) for one that may only read metrics.
        galleries: the only galleries it is for; every gallery if left out.
        days: until it expires.
        note: what it is for, in words.
    """
    with _named_by_option():
        grant = Grant(scopes=scopes, galleries=galleries or None, days=days, note=note)
    keys = KeyFile(file)
    _show(keys.new(grant))
    keys.mark()


def rotate(file: File, key: Id, overlap_hours: int = OVERLAP_HOURS, days: int = DAYS) -> None:
    """Gives a key a new secret and prints it; it keeps its id, scopes and galleries.

    Args:
        file: key file.
        key: id of the key, the part before the dot.
        overlap_hours: the old secret is accepted for so long; 0 ends it at once.
        days: until the key expires.
    """
    with _named_by_option():
        issued = KeyFile(file).rotate(key, overlap_hours, days)
    _show(issued)


def revoke(file: File, key: Id) -> None:
    """Ends a key at once and for good; it stays listed.

    Args:
        file: key file.
        key: id of the key, the part before the dot.
    """
    KeyFile(file).revoke(key)


def show(file: File, json: Annotated[bool, tyro.conf.arg(name="json")] = False) -> None:
    """Lists the keys, without their hashes.

    Args:
        file: key file.
        json: print JSON.
    """
    keys = [_facts(key) for key in KeyFile(file).load().keys]
    if json:
        print(json_format.dumps(keys))
        return
    head = ("id", "state", "expires", "scopes", "galleries", "note")
    rows = [[_cell(facts[name]) for name in head] for facts in keys]
    print(table(head, rows))


@contextmanager
def _named_by_option() -> Iterator[None]:
    """A value that is not allowed, as an error that names its option."""
    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        said = first["msg"].removeprefix("Value error, ")
        if first["loc"]:
            option = str(first["loc"][0]).replace("_", "-")
            said = f"--{option}: got {first['input']!r}: {said}"
        raise ConfigError(said) from error


def _show(issued: Issued) -> None:
    print(issued.token, flush=True)
    until = f"key {issued.key.id} expires {issued.key.expires:%Y-%m-%d %H:%M} UTC"
    old = issued.key.retired
    if old is not None:
        until += f"; the old secret is accepted until {old.until:%Y-%m-%d %H:%M} UTC"
    print(until, file=sys.stderr)


def _facts(key: Key) -> dict[str, object]:
    facts = key.model_dump(mode="json", exclude={"sha256", "retired"})
    retired = key.retired and key.retired.until.isoformat()
    return facts | {"state": key.state(utc_now()), "old_secret_until": retired}


def _cell(value: object) -> str:
    if value is None:
        return "all"
    return drawable(" ".join(map(str, value)) if isinstance(value, list) else str(value))


def main() -> None:
    """Makes, lists, rotates and revokes access keys."""
    tyro.extras.subcommand_cli_from_dict(
        {"new": new, "list": show, "rotate": rotate, "revoke": revoke},
        prog="python -m serve.keys",
        config=(tyro.conf.EnumChoicesFromValues,),
    )


if __name__ == "__main__":
    cli.run(main)
