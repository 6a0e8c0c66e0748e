"""One file that its sender signs (Ed25519) and that one receiver can open (age).

magic | sender's public key | locked key | piece, signature | ... | empty piece, signature

Each of them but the magic is a field: u32 length and content. A piece is an age file, so the memory
needed is that of one piece. Its signature covers all that stands before it: a piece that is
changed, left out, moved or taken from another file is refused before it is decrypted, and so is a
file that is cut short. Each piece has the sender's key in it, so that nobody signs what another
encrypted.

For a passphrase, with which pyrage only encrypts in memory, the pieces are for a key made for this
file; the locked key is that key, encrypted by the passphrase. Otherwise it is empty.
"""

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, TypeVar

import pyrage
from pyrage import passphrase, ssh, x25519

from gait.errors import ConfigError, TransferError
from gallery.identity import Identity, Party, read_file

MAGIC = b"DCGAIT2\n"
FIELD_LIMIT = 32 * 1024 * 1024
"""Bytes of a field."""
SHORTEST = 12
"""Characters of a passphrase."""

T = TypeVar("T")
_LENGTH = struct.Struct(">I")


def read_passphrase(path: Path) -> str:
    """The first line of a file.

    Raises:
        ConfigError: it cannot be read, is no text, or is too short.
    """
    try:
        secret = read_file(path).split(b"\n", 1)[0].decode().strip()
    except UnicodeDecodeError:  # which holds the secret
        raise ConfigError(f"the passphrase in {path} is no text in UTF-8") from None
    if len(secret) < SHORTEST:
        raise ConfigError(f"the passphrase in {path} is shorter than {SHORTEST} characters")
    return secret


def key_or_passphrase(load: Callable[[Path], T], key: Path | None, secret: Path | None) -> T | str:
    """What two options of a command name: a file of keys, or else of a passphrase.

    Raises:
        ConfigError: neither or both are given, or the file cannot be used.
    """
    if key is not None and secret is None:
        return load(key)
    if secret is not None and key is None:
        return read_passphrase(secret)
    raise ConfigError("name either an identity or a passphrase (--passphrase-file)")


def write_sealed(
    file: IO[bytes], pieces: Iterable[bytes], *, sender: Identity, to: str | Party
) -> None:
    """Writes pieces, signed by the sender, for a party or for whoever knows a passphrase.

    Raises:
        TransferError: a piece is larger than `FIELD_LIMIT`.
    """
    public, (recipient, locked), before = sender.party.key, _recipient(to), hashlib.sha256()

    def write(content: bytes) -> None:
        if len(content) > FIELD_LIMIT:
            raise TransferError(f"got a piece of {len(content)} bytes, at most {FIELD_LIMIT} fit")
        data = _LENGTH.pack(len(content)) + content
        before.update(data)
        file.write(data)

    before.update(MAGIC)
    file.write(MAGIC)
    write(public)
    write(locked)
    sealed = (pyrage.encrypt(public + piece, [recipient]) for piece in pieces)
    for content in chain(sealed, [b""]):
        write(content)
        write(sender.key.sign(before.digest()))


def read_sealed(file: IO[bytes], *, trusted: Party, to: str | Identity) -> Iterator[bytes]:
    """The pieces of a file, in order, each checked before it is decrypted.

    The file is known to be whole only when the iterator has ended.

    Args:
        file: at its beginning.
        trusted: who must have signed it.
        to: the passphrase or the identity that opens it.

    Raises:
        TransferError: it is no such file, not signed by the trusted party, damaged or cut short, or
            something follows its end; or the passphrase or the identity does not open it.
    """
    before, key = hashlib.sha256(), None

    def exactly(count: int) -> bytes:
        content = file.read(count)
        if len(content) != count:
            raise TransferError("the file is cut short: ask for it again")
        before.update(content)
        return content

    def read() -> bytes:
        (size,) = _LENGTH.unpack(exactly(_LENGTH.size))
        if size > FIELD_LIMIT:
            raise TransferError(f"the file says {size} bytes, at most {FIELD_LIMIT} are read")
        return exactly(size)

    if exactly(len(MAGIC)) != MAGIC:
        raise TransferError("this is not an exported gallery of a version that can be read")
    public, locked = read(), read()
    if public != trusted.key:
        raise TransferError("the file is signed by another key than the one trusted")
    while True:
        sealed, digest = read(), before.digest()
        if not trusted.signed(read(), digest):
            raise TransferError("the file is damaged, or not signed by the trusted key")
        if not sealed:
            break
        key = key or _key(locked, to)
        yield _opened(sealed, key, public)
    if file.read(1):
        raise TransferError("something follows the end of the file: ask for it again")


def _recipient(to: str | Party) -> tuple[ssh.Recipient | x25519.Recipient, bytes]:
    """Whom to encrypt for, and the locked key."""
    if isinstance(to, Party):
        return ssh.Recipient.from_str(to.text), b""
    key = x25519.Identity.generate()
    return key.to_public(), passphrase.encrypt(str(key).encode(), to)


def _key(locked: bytes, to: str | Identity) -> ssh.Identity | x25519.Identity:
    if isinstance(to, Identity) == bool(locked):
        made = "with a passphrase" if locked else "for a receiver's identity"
        raise TransferError(f"the file was encrypted {made}: nothing else opens it")
    if isinstance(to, Identity):
        return ssh.Identity.from_buffer(to.text)
    try:
        return x25519.Identity.from_str(passphrase.decrypt(locked, to).decode())
    except pyrage.DecryptError as error:
        raise TransferError(f"this passphrase does not open the file: {error}") from error


def _opened(sealed: bytes, key: ssh.Identity | x25519.Identity, public: bytes) -> bytes:
    try:
        content = pyrage.decrypt(sealed, [key])
    except pyrage.DecryptError as error:
        raise TransferError(
            f"this identity does not open the file, which is for another: {error}"
        ) from error
    if not content.startswith(public):
        raise TransferError("the file holds what another sender encrypted: check who sent it")
    return content[len(public) :]
