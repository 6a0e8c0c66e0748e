"""Access keys: `id.secret`, of which the key file holds only a hash of the secret.

    python -m serve.keys new keys.json --note "camera gate"     prints the key, once
    python -m serve.keys revoke keys.json ID

A secret has 256 random bits, so a plain SHA-256 of it cannot be searched; slow hashing is for
passwords that people choose.
"""

import hashlib
import hmac
import json
import os
import secrets
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gait import cli
from gait.errors import ConfigError, StorageError


class Key(BaseModel):
    """What the file says about a key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    created: datetime
    note: str = ""


class Keyring(BaseModel):
    """The keys that open the service."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[Key, ...] = ()

    @classmethod
    def load(cls, path: Path) -> "Keyring":
        """Reads a key file.

        Raises:
            ConfigError: it cannot be read, is not a key file, or holds no key.
        """
        try:
            ring = cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise ConfigError(
                f"cannot read the key file {path} ({error.strerror}); "
                f"make one with `python -m serve.keys new {path}`"
            ) from error
        except ValidationError as error:
            raise ConfigError(f"{path} is not a key file made by serve.keys") from error
        if not ring.keys:
            raise ConfigError(f"{path} holds no key; run `python -m serve.keys new {path}`")
        return ring

    def admits(self, token: str) -> str | None:
        """Id of the key if `token` is one of these keys, compared in constant time."""
        key_id, _, secret = token.partition(".")
        got = _hash(secret)
        admitted = None
        for key in self.keys:
            same_id = hmac.compare_digest(key.id.encode(), key_id.encode())
            same_secret = hmac.compare_digest(key.sha256, got)
            if same_id and same_secret:
                admitted = key.id
        return admitted

    def save(self, path: Path) -> None:
        """Writes the file, whole or not at all, readable by its owner alone.

        Raises:
            StorageError: the folder is missing, full or cannot be written.
        """
        text = json.dumps(self.model_dump(mode="json"), indent=1) + "\n"
        try:
            with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(file.name).replace(path)
        except OSError as error:
            raise StorageError(f"cannot write the key file {path} ({error.strerror})") from error


def new(file: tyro.conf.Positional[Path], note: str = "") -> None:
    """Makes a key, adds it to a key file and prints it. It is shown this once.

    Args:
        file: key file; made if it does not exist.
        note: what the key is for.
    """
    ring = Keyring.load(file) if file.exists() else Keyring()
    key_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    key = Key(id=key_id, sha256=_hash(secret), created=datetime.now(UTC), note=note)
    Keyring(keys=(*ring.keys, key)).save(file)
    print(f"{key_id}.{secret}")


def revoke(file: tyro.conf.Positional[Path], key: tyro.conf.Positional[str]) -> None:
    """Removes a key from a key file; a running service must be restarted.

    Args:
        file: key file.
        key: id of the key, the part before the dot.
    """
    ring = Keyring.load(file)
    left = tuple(each for each in ring.keys if each.id != key)
    if len(left) == len(ring.keys):
        raise ConfigError(f"{file} has no key {key[:8]!r}")
    Keyring(keys=left).save(file)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def main() -> None:
    """Makes and revokes access keys."""
    tyro.extras.subcommand_cli_from_dict(
        {"new": new, "revoke": revoke}, prog="python -m serve.keys"
    )


if __name__ == "__main__":
    cli.run(main)
