"""Command: make the key pair with which galleries are exchanged.

python -m gallery.identity --out alice

`alice.key` signs exports (Ed25519) and opens those made for it (X25519): keep it secret.
`alice.pub` is given to the others: it checks the signature, and seals an export for its owner.
"""

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import tyro
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from gait.cli import run
from gait.errors import ConfigError, StorageError, TransferError

PRIVATE, PUBLIC = "diffcrossgait private identity", "diffcrossgait public identity"
KEY_BYTES = 32
_FILE_LIMIT = 4096


@dataclass(frozen=True)
class Party:
    """The public half: whose signature to trust, or for whom to seal.

    Args:
        verify: raw Ed25519 public key, 32 bytes.
        receive: raw X25519 public key, 32 bytes.
    """

    verify: bytes
    receive: bytes

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads a `.pub` file.

        Raises:
            ConfigError: there is none, or it is something else.
        """
        return cls(*_read(path, PUBLIC))

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Reads what somebody sent as a `.pub` file.

        Raises:
            TransferError: it is something else, or nothing can be sealed for it.
        """
        keys = _parsed(content[:_FILE_LIMIT], PUBLIC)
        if keys is None:
            raise TransferError(f"what was sent is not a {PUBLIC}: make one with gallery.identity")
        try:
            X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(keys[1]))
        except ValueError as error:  # a degenerate point
            raise TransferError("nothing can be sealed for this public identity") from error
        return cls(*keys)

    def signed(self, signature: bytes, message: bytes) -> bool:
        """Whether the signature of a message is this party's."""
        try:
            Ed25519PublicKey.from_public_bytes(self.verify).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class Identity:
    """The private half. Its parts never appear in a message or a log."""

    signing: Ed25519PrivateKey
    receiving: X25519PrivateKey

    @classmethod
    def make(cls) -> Self:
        """A fresh one."""
        return cls(Ed25519PrivateKey.generate(), X25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads a `.key` file.

        Raises:
            ConfigError: there is none, or it is something else.
        """
        sign, receive = _read(path, PRIVATE)
        return cls(
            Ed25519PrivateKey.from_private_bytes(sign), X25519PrivateKey.from_private_bytes(receive)
        )

    @property
    def party(self) -> Party:
        """Its public half."""
        return Party(
            self.signing.public_key().public_bytes_raw(),
            self.receiving.public_key().public_bytes_raw(),
        )

    def save(self, stem: Path) -> tuple[Path, Path]:
        """Writes `<stem>.key`, readable by its owner only, and `<stem>.pub`.

        Raises:
            ConfigError: one of them exists: a key that is lost cannot be made again.
            StorageError: they cannot be written.
        """
        key, public = stem.with_name(stem.name + ".key"), stem.with_name(stem.name + ".pub")
        private = (self.signing.private_bytes_raw(), self.receiving.private_bytes_raw())
        party = self.party
        _write(key, PRIVATE, private, 0o600)
        _write(public, PUBLIC, (party.verify, party.receive), 0o644)
        return key, public

    def shared(self, ephemeral: bytes) -> bytes:
        """The secret shared with the holder of an X25519 public key, 32 bytes.

        Raises:
            ValueError: the public key is a degenerate point.
        """
        return self.receiving.exchange(X25519PublicKey.from_public_bytes(ephemeral))


@dataclass(frozen=True)
class Arguments:
    """Makes an identity: a key that signs and opens exports of galleries, and its public half."""

    out: Path
    """Name of the two files less their endings; must not exist."""


def main() -> None:
    """Makes the files."""
    arguments = tyro.cli(Arguments, prog="python -m gallery.identity")
    key, public = Identity.make().save(arguments.out)
    print(f"private   {key}\npublic    {public}")


def _write(path: Path, kind: str, keys: tuple[bytes, bytes], mode: int) -> None:
    text = json.dumps({"kind": kind, "keys": [base64.b64encode(key).decode() for key in keys]})
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise ConfigError(f"{path} exists already: choose another name") from error
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error}") from error


def _read(path: Path, kind: str) -> tuple[bytes, bytes]:
    try:
        with path.open("rb") as file:
            keys = _parsed(file.read(_FILE_LIMIT), kind)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    if keys is None:  # said without a word of what it holds
        raise ConfigError(f"{path} is not a {kind}: make one with gallery.identity")
    return keys


def _parsed(text: bytes, kind: str) -> tuple[bytes, bytes] | None:
    """The two keys of an identity; None if this is none."""
    try:
        content = json.loads(text)
        if content["kind"] != kind:
            return None
        first, second = (base64.b64decode(key, validate=True) for key in content["keys"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return (first, second) if len(first) == len(second) == KEY_BYTES else None


if __name__ == "__main__":
    run(main)
