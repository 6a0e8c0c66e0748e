"""Command: make an identity, the key pair with which a party exchanges galleries.

python -m gallery.identity --out alice

`alice.key` signs exports and opens those made for it: keep it secret. `alice.pub` is given to the
others: it checks the signature, and encrypts for its owner. Both are Ed25519 keys as OpenSSH writes
them, so that `ssh-keygen -t ed25519 -N ""` makes an identity as well.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
    load_ssh_public_key,
)
from pyrage import RecipientError, ssh

from gait.cli import run
from gait.errors import ConfigError, StorageError, TransferError
from gallery.command_line import options

_FILE_LIMIT = 4096


@dataclass(frozen=True)
class Party:
    """The public half of an identity: whose signature to trust, or for whom to encrypt.

    Args:
        key: raw Ed25519 public key, 32 bytes.
    """

    key: bytes

    @classmethod
    def parse(cls, content: bytes, name: str = "what was sent") -> "Party":
        """Reads the content of a `.pub` file, which is called `name` if it is refused.

        Raises:
            TransferError: it is something else.
        """
        try:
            key = load_ssh_public_key(content)
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError("another kind of key")
            party = cls(key.public_bytes_raw())
            ssh.Recipient.from_str(party.text)  # fails unless it is a point of the curve
        except (ValueError, UnsupportedAlgorithm, RecipientError) as error:
            raise TransferError(
                f"{name} is not a public identity (Ed25519): make one with gallery.identity"
            ) from error
        return party

    @classmethod
    def load(cls, path: Path) -> "Party":
        """Reads a `.pub` file; raises as `parse`, and ConfigError if it cannot be read."""
        return cls.parse(read_file(path), str(path))

    @property
    def text(self) -> str:
        """The content of a `.pub` file, which is also an age recipient."""
        key = Ed25519PublicKey.from_public_bytes(self.key)
        return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

    def signed(self, signature: bytes, message: bytes) -> bool:
        """Whether the signature of a message is this party's."""
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class Identity:
    """A party's key pair. Its secret appears in no message and no log."""

    key: Ed25519PrivateKey

    @classmethod
    def make(cls) -> "Identity":
        """A fresh one."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> "Identity":
        """Reads a `.key` file.

        Raises:
            ConfigError: there is none, or it is something else, or has a passphrase.
        """
        try:
            key = load_ssh_private_key(read_file(path), None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None  # said without a word of what the file holds
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigError(
                f"{path} is not a private identity (Ed25519, without a passphrase): "
                "make one with gallery.identity"
            )
        return cls(key)

    @property
    def party(self) -> Party:
        """Its public half."""
        return Party(self.key.public_key().public_bytes_raw())

    @property
    def text(self) -> bytes:
        """The content of a `.key` file, which is also an age identity."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())

    def save(self, stem: Path) -> tuple[Path, Path]:
        """Writes `<stem>.key`, readable by its owner only, and `<stem>.pub`.

        Raises:
            ConfigError: one of them exists: a key that is lost cannot be made again.
            StorageError: they cannot be written.
        """
        key, public = stem.with_name(stem.name + ".key"), stem.with_name(stem.name + ".pub")
        _write(key, self.text, 0o600)
        _write(public, self.party.text.encode() + b"\n", 0o644)
        return key, public


def read_file(path: Path) -> bytes:
    """The beginning of a file of keys, however large it is.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(_FILE_LIMIT)
    except OSError as error:
        raise ConfigError(f"cannot read {path} ({error.strerror})") from error


def _write(path: Path, content: bytes, mode: int) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise ConfigError(f"{path} exists already: choose another name") from error
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error}") from error


@dataclass(frozen=True)
class Arguments:
    """Makes an identity: a key that signs and opens exports of galleries, and its public half."""

    out: Path
    """Name of the two files less their endings; must not exist."""


def main() -> None:
    """Makes the files."""
    arguments = options.parse(Arguments, "gallery.identity")
    key, public = Identity.make().save(arguments.out)
    print(f"private   {key}\npublic    {public}")


if __name__ == "__main__":
    run(main)
