"""How commands end."""

import subprocess
import sys

import pytest

from gait.cli import run
from gait.errors import GalleryError

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
