"""The one secret outside every gallery: it wraps the subjects' keys, so it opens all of them.

It is 32 random bytes, written as base64: in the environment variable DIFFCROSSGAIT_MASTER_KEY, or
in the file that DIFFCROSSGAIT_MASTER_KEY_FILE names, or else in
`$XDG_CONFIG_HOME/diffcrossgait/master.key` (`~/.config` by default).
"""

import base64
import binascii
import logging
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gait.errors import MasterKeyError
from gallery.record.scratch import new_file, scratch_folder

KEY_BYTES = 32
VARIABLE = "DIFFCROSSGAIT_MASTER_KEY"
FILE_VARIABLE = "DIFFCROSSGAIT_MASTER_KEY_FILE"

log = logging.getLogger("gallery")


class MasterKey:
    """A key that wraps other keys. Its bytes are never shown.

    Attributes:
        id: fingerprint, 16 hex digits, that may be shown and stored.

    Raises:
        MasterKeyError: not 32 bytes.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise MasterKeyError(f"got a master key of {len(secret)} bytes, need {KEY_BYTES}")
        self._secret = secret
        self._wrapping = AESGCM(self.derive("wrap"))
        self.id = self.derive("id")[:8].hex()

    @classmethod
    def load(cls, *, create: bool = False) -> "MasterKey":
        """The configured master key.

        Args:
            create: if none is configured, and the default file is not there, make that file.

        Raises:
            MasterKeyError: none is configured, two are, or it cannot be read.
        """
        value, file = os.environ.get(VARIABLE), os.environ.get(FILE_VARIABLE)
        if value and file:
            raise MasterKeyError(f"{VARIABLE} and {FILE_VARIABLE} are both set: unset one of them")
        if value:
            return cls._decoded(value, f"the variable {VARIABLE}")
        path = Path(file) if file else default_path()
        if create and not file and not path.exists():
            _make(path)
        return cls.read(path)

    @classmethod
    def read(cls, path: Path) -> "MasterKey":
        """The master key in a file.

        Raises:
            MasterKeyError: there is none, it cannot be read, or others may replace it.
        """
        try:
            mode, text = path.stat().st_mode, path.read_text("ascii")
        except FileNotFoundError as error:
            raise MasterKeyError(
                f"there is no master key at {path}, and without it no gallery can be read: restore "
                f"it from your backup, or name its file in {FILE_VARIABLE} (`python -m "
                "gallery.keys new FILE` makes one for new galleries)"
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise MasterKeyError(f"the master key {path} cannot be read: {error}") from error
        if mode & 0o022:
            raise MasterKeyError(f"others may write the master key {path}: chmod 600 {path}")
        if mode & 0o004:
            log.warning("everybody on this machine may read the master key %s: chmod 600", path)
        return cls._decoded(text, str(path))

    @classmethod
    def generate(cls) -> "MasterKey":
        """A new random key."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def _decoded(cls, text: str, where: str) -> "MasterKey":
        try:
            return cls(base64.b64decode(text.strip(), validate=True))
        except binascii.Error as error:
            raise MasterKeyError(f"{where} is not base64 of {KEY_BYTES} bytes") from error
        except MasterKeyError as error:
            raise MasterKeyError(f"{where}: {error}") from error

    def save(self, path: Path) -> None:
        """Writes the key to a new file that its owner alone may read.

        Raises:
            MasterKeyError: the file exists, or cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with scratch_folder(path.parent) as made, new_file(made / "key") as file:
                file.write(base64.b64encode(self._secret) + b"\n")
                file.flush()
                os.fsync(file.fileno())
                os.link(made / "key", path)  # whole or not at all, and never over another key
        except FileExistsError as error:
            raise MasterKeyError(f"{path} exists already: a key is never overwritten") from error
        except OSError as error:
            raise MasterKeyError(f"cannot write the master key {path}: {error}") from error

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose, by HKDF-SHA-256; other purposes do not reveal them."""
        info = f"diffcrossgait {purpose}".encode()
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(self._secret)

    def wrap(self, data: bytes, aad: bytes) -> bytes:
        """Encrypts with AES-256-GCM: nonce (12), ciphertext, tag (16).

        Args:
            data: at most a few kilobytes, such as a key.
            aad: what the data belongs to; the same is needed to unwrap.
        """
        nonce = secrets.token_bytes(12)
        return nonce + self._wrapping.encrypt(nonce, data, aad)

    def unwrap(self, wrapped: bytes, aad: bytes) -> bytes:
        """What `wrap` was given.

        Raises:
            MasterKeyError: wrapped by another key or for another `aad`, or damaged.
        """
        try:
            return self._wrapping.decrypt(wrapped[:12], wrapped[12:], aad)
        except (InvalidTag, ValueError, TypeError) as error:
            raise MasterKeyError(
                f"master key {self.id} does not open this: it was made with another key, or is "
                "damaged"
            ) from error


def _make(path: Path) -> None:
    try:
        MasterKey.generate().save(path)
    except MasterKeyError:
        if not path.exists():  # else another process has made it just now
            raise
    else:
        log.warning("made the master key %s: back it up; without it no gallery opens", path)


def default_path() -> Path:
    """Where the master key is when nothing else is configured."""
    config = os.environ.get("XDG_CONFIG_HOME")
    folder = Path(config) if config else Path.home() / ".config"
    return folder / "diffcrossgait" / "master.key"
