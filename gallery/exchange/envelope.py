"""The key of a file, wrapped for whoever may open it: by a passphrase, or to a party's key."""

import os
from dataclasses import dataclass
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from pydantic import BaseModel, ConfigDict

from gait.errors import TransferError
from gallery.identity import Identity, Party

PURPOSE = b"diffcrossgait export 1"
_KEY, _SALT = 32, 16
_NONCE = bytes(12)  # a wrapping key wraps one key, once


@dataclass(frozen=True)
class Passphrase:
    """A secret both sides know; scrypt with N 2¹⁷, r 8, p 1 makes a key of it."""

    secret: bytes

    def key(self, salt: bytes) -> bytes:
        """The wrapping key, 32 bytes. Takes 128 MiB and some tenths of a second."""
        return Scrypt(salt=salt, length=_KEY, n=2**17, r=8, p=1).derive(self.secret)


class Envelope(BaseModel):
    """A wrapped key. `hint` is the salt, or the sender's X25519 key for this file."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", ser_json_bytes="hex", val_json_bytes="hex"
    )
    how: Literal["passphrase", "recipient"]
    hint: bytes
    key: bytes

    @classmethod
    def seal(cls, key: bytes, to: Passphrase | Party, sender: bytes) -> "Envelope":
        """Wraps a key; only a file of the same `sender` can use it."""
        how: Literal["passphrase", "recipient"]
        if isinstance(to, Passphrase):
            how, hint = "passphrase", os.urandom(_SALT)
            wrapping = to.key(hint)
        else:
            ephemeral = X25519PrivateKey.generate()
            how, hint = "recipient", ephemeral.public_key().public_bytes_raw()
            secret = ephemeral.exchange(X25519PublicKey.from_public_bytes(to.receive))
            wrapping = _agreed(secret, hint, to.receive)
        wrapped = AESGCM(wrapping).encrypt(_NONCE, key, PURPOSE + sender)
        return cls(how=how, hint=hint, key=wrapped)

    def open(self, to: Passphrase | Identity, sender: bytes) -> bytes:
        """The key.

        Raises:
            TransferError: the passphrase or the key is another.
        """
        what = "passphrase" if isinstance(to, Passphrase) else "key"
        try:
            return AESGCM(self._wrapping(to)).decrypt(_NONCE, self.key, PURPOSE + sender)
        except (InvalidTag, ValueError) as error:
            raise TransferError(
                f"this {what} does not open the file, which was sealed for a {self.how}"
            ) from error

    def _wrapping(self, to: Passphrase | Identity) -> bytes:
        if isinstance(to, Passphrase) != (self.how == "passphrase"):
            raise ValueError(self.how)
        if isinstance(to, Passphrase):
            return to.key(self.hint)
        return _agreed(to.shared(self.hint), self.hint, to.party.receive)


def _agreed(secret: bytes, ephemeral: bytes, receiver: bytes) -> bytes:
    info = PURPOSE + ephemeral + receiver
    return HKDF(algorithm=SHA256(), length=_KEY, salt=None, info=info).derive(secret)
