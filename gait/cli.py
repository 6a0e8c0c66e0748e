"""The outermost border of every command: one line on stderr and an exit code, no traceback."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from gait.errors import GaitError


def run(main: Callable[[], None]) -> NoReturn:
    """Runs a command's `main` and exits: 0 done, 1 a `GaitError` or disk error, 130 interrupted.

    (Usage errors exit with 2 before this, from the argument parser.) Whoever reads the results may
    stop reading, as `head` does: that is no error of ours, and nothing more is written.
    """
    try:
        main()
        sys.stdout.flush()
    except GaitError as error:
        sys.exit(_complain(f"error [{error.code}]: {error}"))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        sys.exit(_complain(f"error [storage.failed]: {error}"))
    except KeyboardInterrupt:
        _complain("interrupted")
        sys.exit(130)
    sys.exit(0)


def _complain(line: str) -> int:
    print(" ".join(line.split()), file=sys.stderr)
    return 1
