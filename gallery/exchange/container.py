"""One file of encrypted and signed frames: written in one go, read in one go, in bounded memory.

magic | u32 length, header (JSON) | frame, frame, ..., last frame
frame = u8 last? | u32 length | AES-256-GCM ciphertext | Ed25519 signature of 64 bytes

The header names the sender's public key and holds the file's key, wrapped. A signature covers the
header's hash, the number of the frame, whether it is the last, and the ciphertext, so a frame that
is changed, left out, put elsewhere or taken from another file is refused before it is decrypted,
and so is a file cut short.
"""

import hashlib
import struct
from collections.abc import Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, ConfigDict, ValidationError

from gait.errors import TransferError
from gallery.exchange.envelope import PURPOSE, Envelope, Passphrase
from gallery.identity import Identity, Party

MAGIC = b"DCGAIT1\n"
HEADER_LIMIT = 64 * 1024
FRAME_LIMIT = 32 * 1024 * 1024
"""Bytes of a frame once decrypted."""

_SIGNATURE, _TAG = 64, 16
_HEAD = struct.Struct(">BI")
_LENGTH = struct.Struct(">I")


class _Header(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", ser_json_bytes="hex", val_json_bytes="hex"
    )
    sender: bytes
    envelope: Envelope
    about: dict[str, str | int]


def write_header(
    file: BinaryIO, sender: Identity, to: Passphrase | Party, about: dict[str, str | int]
) -> "Writer":
    """Begins a container.

    Args:
        file: at its beginning.
        sender: signs.
        to: who can open it.
        about: facts that anyone may read, and that are signed.
    """
    key, public = AESGCM.generate_key(256), sender.party.verify
    envelope = Envelope.seal(key, to, public)
    head = _Header(sender=public, envelope=envelope, about=about)
    header = head.model_dump_json().encode()
    file.write(MAGIC + _LENGTH.pack(len(header)) + header)
    return Writer(file, sender, AESGCM(key), hashlib.sha256(header).digest())


class Writer:
    """Writes the frames of a container; the last one must be written with `last`."""

    def __init__(self, file: BinaryIO, sender: Identity, cipher: AESGCM, header: bytes) -> None:
        self._file, self._sender, self._cipher, self._header = file, sender, cipher, header
        self._frames = 0

    def write(self, content: bytes, *, last: bool = False) -> None:
        """Adds a frame.

        Raises:
            TransferError: it is larger than `FRAME_LIMIT`.
        """
        if len(content) > FRAME_LIMIT:
            raise TransferError(f"got a frame of {len(content)} bytes, at most {FRAME_LIMIT} fit")
        place = _place(self._header, self._frames, last)
        ciphertext = self._cipher.encrypt(_nonce(self._frames), content, place)
        signature = self._sender.signing.sign(_message(place, ciphertext))
        self._file.write(_HEAD.pack(last, len(ciphertext)) + ciphertext + signature)
        self._frames += 1


class Reader:
    """Reads a container. Nothing is decrypted before its signature was checked.

    Attributes:
        about: the facts of the header. True only once the first frame has been read.

    Raises:
        TransferError: it is no container, or not the trusted party's.
    """

    def __init__(self, file: BinaryIO, trusted: Party, to: Passphrase | Identity) -> None:
        self._file, self._trusted, self._to = file, trusted, to
        if file.read(len(MAGIC)) != MAGIC:
            raise TransferError("this is not an exported gallery of a version that can be read")
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        if length > HEADER_LIMIT:
            raise TransferError(f"the header has {length} bytes, at most {HEADER_LIMIT} are read")
        header = self._exactly(length)
        self._hash = hashlib.sha256(header).digest()
        try:
            self._head = _Header.model_validate_json(header)
        except ValidationError as error:
            raise TransferError("the header is damaged: ask for the file again") from error
        if self._head.sender != trusted.verify:
            raise TransferError(
                "the file is signed by another key than the one trusted: check who sent it"
            )
        self.about = self._head.about

    def frames(self) -> Iterator[bytes]:
        """The content of every frame, in order, each checked.

        Raises:
            TransferError: a frame is damaged, out of place or not signed by the trusted party; the
                passphrase or key is wrong; frames are missing, or something follows the last.
        """
        cipher, number, last = None, 0, False
        while not last:
            flag, length = _HEAD.unpack(self._exactly(_HEAD.size))
            if flag > 1 or not _TAG <= length <= FRAME_LIMIT + _TAG:
                raise self._damaged(number)
            last = bool(flag)
            ciphertext, signature = self._exactly(length), self._exactly(_SIGNATURE)
            place = _place(self._hash, number, last)
            if not self._trusted.signed(signature, _message(place, ciphertext)):
                raise self._damaged(number)
            cipher = cipher or AESGCM(self._head.envelope.open(self._to, self._head.sender))
            try:
                yield cipher.decrypt(_nonce(number), ciphertext, place)
            except InvalidTag as error:
                raise self._damaged(number) from error
            number += 1
        if self._file.read(1):
            raise TransferError("something follows the end of the file: it is refused")

    def _exactly(self, count: int) -> bytes:
        content = self._file.read(count)
        if len(content) != count:
            raise TransferError("the file is cut short: ask for it again")
        return content

    @staticmethod
    def _damaged(number: int) -> TransferError:
        return TransferError(
            f"frame {number} is damaged, out of place or not signed by the trusted key: "
            "ask for the file again"
        )


def _place(header: bytes, number: int, last: bool) -> bytes:
    return header + struct.pack(">QB", number, last)


def _message(place: bytes, ciphertext: bytes) -> bytes:
    return PURPOSE + place + hashlib.sha256(ciphertext).digest()


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")  # every file has a key of its own
