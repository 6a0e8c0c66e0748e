"""What is encrypted of a template: its embedding in 16 bits a number, and its cohort shares.

Multiples of one step for each embedding change a similarity by some 10⁻⁶, while every search reads,
and the disk keeps, half of what 32 bits take. What is read is the same everywhere to the bit.
"""

import struct
from typing import NamedTuple

import numpy as np

from gallery.template import Shares, Vector

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
        return cls(packed, _embedding(packed, len(embedding)), None)

    def with_shares(self, shares: Shares) -> "PlainTemplate":
        """The template with its shares, which are those of its embedding as it is here."""
        more = _SHARES.pack(bytes.fromhex(shares.cohort), *shares.values)
        return self._replace(packed=self.packed + more, shares=shares)

    @classmethod
    def unpack(cls, packed: bytes, dimension: int) -> "PlainTemplate | None":
        """The template of some bytes; None if they are not of embeddings of this length."""
        end = _STEP.itemsize + _NUMBER.itemsize * dimension
        if len(packed) not in (end, end + _SHARES.size):
            return None
        shares = None if len(packed) == end else _shares(packed[end:])
        return cls(packed, _embedding(packed, dimension), shares)


def _embedding(packed: bytes, dimension: int) -> Vector:
    (step,) = np.frombuffer(packed, _STEP, 1)
    numbers = np.frombuffer(packed, _NUMBER, dimension, _STEP.itemsize)
    return numbers.astype(np.float32) * np.float32(step)


def _shares(packed: bytes) -> Shares:
    cohort, one, two = _SHARES.unpack(packed)
    return Shares(cohort.hex(), (one, two))
