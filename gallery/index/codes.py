"""Codes: an embedding as bits, the signs of its numbers after a random rotation.

Two unit vectors at angle θ differ in the share θ/π of such signs (Charikar, "Similarity estimation
techniques from rounding algorithms", 2002), so the number of different bits says how alike they
are. The rotation is x ↦ H D x (Ailon and Chazelle, "The fast Johnson–Lindenstrauss transform",
2009): D flips signs at random and spreads the numbers over as many places as there are bits, H is
the Hadamard matrix. It is the same for every gallery.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from gallery.index.interface import CodeMatrix
from gallery.template import Matrix

_SEED = 4096
_LEAST = 1024
"""Bits of a code at least: of 10⁵ templates of 40 numbers, 64 bits put the most alike one among the
first 64 in 96 of 100 searches, 1,024 in all."""


def code_bytes(dimension: int) -> int:
    """Length of the code of an embedding: its dimension as the next power of two in bits, and at
    least 1,024."""
    return _size(dimension) // 8


def codes_of(embeddings: Matrix) -> CodeMatrix:
    """Codes `(n, code_bytes)` of embeddings `(n, dimension)` of norm 1."""
    return signs(rotated(embeddings))


def signs(numbers: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The code `(…, bits / 8)` of what `rotated` gives."""
    return np.packbits(numbers > 0, axis=-1)


def rotated(vectors: Matrix) -> Matrix:
    """Embeddings `(n, dimension)` as `(n, bits)` numbers, whose signs are their codes."""
    flips, places, left, right = _factors(vectors.shape[1])
    count, rows, columns = len(vectors), len(left), len(right)
    padded = np.zeros((count, rows * columns), np.float32)
    padded[:, places] = vectors * flips
    # H of size rows · columns is the Kronecker product of two small ones, so it is applied along
    # the columns and then along the rows; the numbers end in another order, which is no matter
    half = (padded.reshape(-1, columns) @ right).reshape(count, rows, columns)
    turned = np.ascontiguousarray(half.transpose(0, 2, 1)).reshape(-1, rows)
    whole: Matrix = (turned @ left).reshape(count, rows * columns)
    return whole


def _size(dimension: int) -> int:
    return max(_LEAST, 1 << (dimension - 1).bit_length())


@cache
def _factors(dimension: int) -> tuple[Matrix, NDArray[np.intp], Matrix, Matrix]:
    rng = np.random.default_rng(_SEED)
    signs = rng.choice([-1, 1], dimension).astype(np.float32)
    # the first columns of H alone have few different rows
    places = np.sort(rng.permutation(_size(dimension))[:dimension])
    bits = _size(dimension).bit_length() - 1
    return signs, places, _hadamard(1 << bits // 2), _hadamard(1 << bits - bits // 2)


def _hadamard(order: int) -> Matrix:
    matrix = np.ones((1, 1), np.float32)
    while len(matrix) < order:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix / np.float32(np.sqrt(order))
