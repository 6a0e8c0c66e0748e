"""The key of one subject: whoever has destroyed it has erased every copy of the embeddings."""

import hashlib
import secrets

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gallery.template import Vector

SECRET_BYTES = 32
_NONCE = 12


class SubjectKey:
    """Encrypts embeddings with AES-256-GCM.

    Args:
        secret: 32 bytes.
    """

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self._cipher = AESGCM(secret)

    @property
    def id(self) -> str:
        """Fingerprint, 32 hex digits: the first half of a SHA-256 of the secret."""
        return hashlib.sha256(b"diffcrossgait subject key " + self.secret).hexdigest()[:32]

    @classmethod
    def generate(cls) -> "SubjectKey":
        """A new random key."""
        return cls(secrets.token_bytes(SECRET_BYTES))

    def seal(self, embedding: Vector, place: bytes) -> bytes:
        """Encrypts an embedding `(d,)`: nonce (12), 4 · d bytes, tag (16).

        Args:
            embedding: float32.
            place: whose template it is; opening it as another's fails.
        """
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher.encrypt(nonce, embedding.astype("<f4").tobytes(), place)

    def open(self, sealed: bytes, place: bytes) -> Vector | None:
        """The embedding `(d,)` that was sealed; None if it is damaged or another's."""
        try:
            plain = self._cipher.decrypt(sealed[:_NONCE], memoryview(sealed)[_NONCE:], place)
        except (InvalidTag, ValueError):
            return None
        return np.frombuffer(plain, "<f4").astype(np.float32, copy=False)
