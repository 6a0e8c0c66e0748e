"""The key of one subject: whoever has destroyed it has erased every copy of the templates."""

import hashlib
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gallery.record.master_key import MasterKey

KEY_BYTES = 32
WRAPPED_BYTES = 12 + KEY_BYTES + 16
DESTROYED = bytes(WRAPPED_BYTES)
"""What stands in the place of a wrapped key that was destroyed."""
_NONCE = 12


class SubjectKey:
    """Encrypts a subject's templates with AES-256-GCM.

    Args:
        secret: 32 bytes.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._cipher = AESGCM(secret)

    @property
    def id(self) -> str:
        """Fingerprint, 32 hex digits: the first half of a SHA-256 of the secret."""
        return hashlib.sha256(b"diffcrossgait subject key " + self._secret).hexdigest()[:32]

    @classmethod
    def generate(cls) -> "SubjectKey":
        """A new random key."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def unwrap(cls, wrapped: bytes, master: MasterKey, place: bytes) -> "SubjectKey":
        """The key that `wrap` wrapped.

        Raises:
            MasterKeyError: wrapped by another key or for another place, or damaged.
        """
        return cls(master.unwrap(wrapped, place))

    def wrap(self, master: MasterKey, place: bytes) -> bytes:
        """The key encrypted by the master key, 60 bytes.

        Args:
            master: the key that wraps it.
            place: whose key it is; unwrapping it as another's fails.
        """
        return master.wrap(self._secret, place)

    def seal(self, data: bytes, place: bytes) -> bytes:
        """Encrypts data: nonce (12), as many bytes as there are, tag (16).

        Args:
            data: an embedding or a code.
            place: what the data belongs to; opening it as another's fails.
        """
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher.encrypt(nonce, data, place)

    def open(self, sealed: bytes, place: bytes) -> bytes | None:
        """The data that was sealed; None if it is damaged or belongs to something else."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], memoryview(sealed)[_NONCE:], place)
        except (InvalidTag, ValueError, TypeError):  # SQLite keeps any type in any column
            return None
