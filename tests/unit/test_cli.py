"""How commands end."""

import subprocess
import sys
from typing import Annotated, Self

import pytest
from annotated_types import Ge
from pydantic import model_validator

from gait.cli import run
from gait.errors import GalleryError
from gait.frozen import Frozen

pytestmark = pytest.mark.serving


def ends(error: BaseException | None) -> int:
    def main() -> None:
        if error is not None:
            raise error

    with pytest.raises(SystemExit) as exit_:
        run(main)
    return int(exit_.value.code or 0)


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (None, 0, ""),
        (GalleryError("got\n two\tlines"), 1, "error [gallery.invalid]: got two lines\n"),
        (OSError(28, "No space left on device"), 1, "error [storage.failed]: [Errno 28] No space"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_a_command_ends_with_one_line_and_a_code(
    capsys: pytest.CaptureFixture[str], error: BaseException | None, code: int, says: str
) -> None:
    assert ends(error) == code
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.startswith(says)
    assert streams.err.count("\n") == bool(says)


class Settings(Frozen):
    """Of a command."""

    keep: Annotated[int, Ge(2)] = 20
    reach: float = 30.0

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.reach < self.keep:
            raise ValueError("reach is below keep")
        return self


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"keep": 0}, "keep: Input should be greater than or equal to 2, got 0"),
        ({"reach": float("nan")}, "reach: Input should be a finite number, got nan"),
        ({"reach": 1.0}, "reach is below keep"),
        ({"keep": "k" * 500}, f"keep: Input should be a valid integer, unable to parse string as "
         f"an integer, got '{'k' * 79}…"),
        ({"keep": 0, "reach": None}, "got 0; reach: Input should be a valid number, got None"),
    ],
)  # fmt: skip
def test_settings_that_are_refused_are_named_in_one_line(
    capsys: pytest.CaptureFixture[str], values: dict[str, object], says: str
) -> None:
    def main() -> None:
        Settings.model_validate(values)

    with pytest.raises(SystemExit, match="1"):
        run(main)
    err = capsys.readouterr().err
    assert err.startswith("error [config.invalid]: ")
    assert err.endswith(f"{says}\n")
    assert err.count("\n") == 1


def test_other_errors_are_defects_and_keep_their_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run(lambda: print(1 // 0))


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_that_stops_reading_is_no_error(lines: int) -> None:
    code = f"from gait.cli import run\nrun(lambda: print(*range({lines}), sep=chr(10)))"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert (process.stderr.read(), process.wait(timeout=60)) == (b"", 0)
