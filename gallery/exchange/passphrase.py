"""What opens an export: a passphrase in a file, or an identity."""

from pathlib import Path

from gait.errors import ConfigError
from gallery.exchange.envelope import Passphrase

SHORTEST = 12
_FILE_LIMIT = 4096


def read_passphrase(path: Path) -> Passphrase:
    """The first line of a file.

    Raises:
        ConfigError: it cannot be read, or is too short.
    """
    try:
        with path.open("rb") as file:
            secret = file.read(_FILE_LIMIT).split(b"\n", 1)[0].strip()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    if len(secret) < SHORTEST:
        raise ConfigError(f"the passphrase in {path} is shorter than {SHORTEST} bytes")
    return Passphrase(secret)
