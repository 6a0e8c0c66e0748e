"""What is encrypted of a template: its embedding in 16 bits a number, and its cohort shares.

Multiples of one step for each embedding change a similarity by some 10⁻⁶, while every search reads,
and the disk keeps, half of what 32 bits take. What is read is the same everywhere to the bit.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gallery.template import Matrix, Shares, Vector

_LARGEST = 32_767
_STEP = np.dtype("<f4")
_NUMBER = np.dtype("<i2")
_SHARES = struct.Struct("<16s2d")


class PlainTemplate(NamedTuple):
    """A template as it is encrypted, and read.

    Attributes:
        packed: the bytes that are encrypted.
        embedding: `(dimension,)` float32.
        shares: of the embedding; None where it was enrolled without a cohort.
    """

    packed: bytes
    embedding: Vector
    shares: Shares | None

    @classmethod
    def of(cls, embedding: Vector) -> "PlainTemplate":
        """A template to encrypt; its embedding has the norm that was given."""
        given = embedding.astype(np.float64)
        largest = max(float(np.abs(given).max()), 1e-30)
        numbers = np.rint(given / largest * _LARGEST).astype(_NUMBER)
        length = float(np.linalg.norm(numbers.astype(np.float64)))
        step = float(np.linalg.norm(given)) / max(1.0, length)
        packed: bytes = _STEP.type(step).tobytes() + numbers.tobytes()
        return cls(packed, _embeddings(packed, len(embedding))[0], None)

    def with_shares(self, shares: Shares) -> "PlainTemplate":
        """The template with its shares, which are those of its embedding as it is here."""
        more = _SHARES.pack(bytes.fromhex(shares.cohort), *shares.values)
        return self._replace(packed=self.packed + more, shares=shares)

    @classmethod
    def unpack(cls, packed: bytes, dimension: int) -> "PlainTemplate | None":
        """The template of some bytes; None if they are not of embeddings of this length."""
        return cls.unpack_all([packed], dimension)[0]

    @classmethod
    def unpack_all(
        cls, packed: Sequence[bytes | None], dimension: int
    ) -> "list[PlainTemplate | None]":
        """The template of each, computed together; None where `unpack` says so, or for None."""
        end = _STEP.itemsize + _NUMBER.itemsize * dimension
        lengths = (end, end + _SHARES.size)
        right = [each for each in packed if each is not None and len(each) in lengths]
        embeddings = iter(_embeddings(b"".join(each[:end] for each in right), dimension))
        return [
            None
            if each is None or len(each) not in lengths
            else cls(each, next(embeddings), None if len(each) == end else _shares(each[end:]))
            for each in packed
        ]


def _embeddings(packed: bytes, dimension: int) -> Matrix:
    """Embeddings `(n, dimension)` that were packed one after another, without shares."""
    size = _STEP.itemsize + _NUMBER.itemsize * dimension
    rows = np.frombuffer(packed, np.uint8).reshape(-1, size)
    steps = np.ascontiguousarray(rows[:, : _STEP.itemsize]).view(_STEP)
    numbers = np.ascontiguousarray(rows[:, _STEP.itemsize :]).view(_NUMBER)
    embeddings: Matrix = numbers.astype(np.float32) * steps.astype(np.float32)
    return embeddings


def _shares(packed: bytes) -> Shares:
    cohort, one, two = _SHARES.unpack(packed)
    return Shares(cohort.hex(), (one, two))
