"""The outermost border of every command: one line on stderr and an exit code, no traceback."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gait.errors import ConfigError, GaitError

_SHOWN = 80
"""Characters of a wrong value that are shown."""


def run(main: Callable[[], None]) -> NoReturn:
    """Runs a command's `main` and exits: 0 done, 1 a `GaitError` or disk error, 130 interrupted.

    Options that are refused only where they are put to use, such as `--keep 0`, end like any
    `ConfigError`. (Usage errors exit with 2 before this, from the argument parser.) Whoever reads
    the results may stop reading, as `head` does: that is no error of ours, and nothing more is
    written.
    """
    try:
        main()
        sys.stdout.flush()
    except GaitError as error:
        sys.exit(_complain(f"error [{error.code}]: {error}"))
    except ValidationError as error:
        wrong = "; ".join(map(wrong_field, error.errors()))
        sys.exit(_complain(f"error [{ConfigError.code}]: {wrong}"))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        sys.exit(_complain(f"error [storage.failed]: {error}"))
    except KeyboardInterrupt:
        _complain("interrupted")
        sys.exit(130)
    sys.exit(0)


def wrong_field(item: ErrorDetails) -> str:
    """A field of settings that is refused: its name, what is needed, and what was got.

    Args:
        item: one of a `ValidationError`'s `errors()`; one of the whole has no name and no value.
    """
    needed = item["msg"].removeprefix("Value error, ")
    if not item["loc"]:
        return needed
    got = repr(item["input"])
    shown = got if len(got) <= _SHOWN else f"{got[:_SHOWN]}…"
    return f"{'.'.join(map(str, item['loc']))}: {needed}, got {shown}"


def read_secret(option: str, file: Path) -> str:
    """The line in a file that an option names: a key, or another secret.

    Args:
        option: as it is written, such as `--key-file`.
        file: that was named.

    Raises:
        ConfigError: it cannot be read, is no text, or does not hold one line; the message names
            the option and shows nothing of what the file holds.
    """
    try:
        text = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{option}: cannot read {file} ({error.strerror})") from error
    except UnicodeDecodeError:
        text = ""
    if len(text.splitlines()) != 1:
        raise ConfigError(f"{option}: {file} holds no line of text, need one with the secret alone")
    return text


def _complain(line: str) -> int:
    print(" ".join(line.split()), file=sys.stderr)
    return 1
