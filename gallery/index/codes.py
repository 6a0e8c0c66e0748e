"""Codes: an embedding as one bit a number, the sign after a random rotation.

Two unit vectors at angle θ differ in the share θ/π of such signs (Charikar, "Similarity estimation
techniques from rounding algorithms", 2002), so the number of different bits says how alike they
are. The rotation is x ↦ H D x (Ailon and Chazelle, "The fast Johnson–Lindenstrauss transform",
2009): D flips signs at random, H is the Hadamard matrix. It is the same for every gallery.
"""

from functools import cache

import numpy as np

from gallery.index.interface import CodeMatrix
from gallery.template import Matrix

_SEED = 4096


def code_bytes(dimension: int) -> int:
    """Length of the code of an embedding: its dimension as the next power of two, in bits."""
    return _size(dimension) // 8


def codes_of(embeddings: Matrix) -> CodeMatrix:
    """Codes `(n, code_bytes)` of embeddings `(n, dimension)` of norm 1."""
    return np.packbits(_rotated(embeddings) > 0, axis=1)


def _rotated(vectors: Matrix) -> Matrix:
    signs, left, right = _factors(vectors.shape[1])
    count, rows, columns = len(vectors), len(left), len(right)
    padded = np.zeros((count, rows * columns), np.float32)
    np.multiply(vectors, signs, out=padded[:, : vectors.shape[1]])
    # H of size rows · columns is the Kronecker product of two small ones, so it is applied along
    # the columns and then along the rows; the numbers end in another order, which is no matter
    half = (padded.reshape(-1, columns) @ right).reshape(count, rows, columns)
    turned = np.ascontiguousarray(half.transpose(0, 2, 1)).reshape(-1, rows)
    whole: Matrix = (turned @ left).reshape(count, rows * columns)
    return whole


def _size(dimension: int) -> int:
    return max(64, 1 << (dimension - 1).bit_length())


@cache
def _factors(dimension: int) -> tuple[Matrix, Matrix, Matrix]:
    signs = np.random.default_rng(_SEED).choice([-1, 1], dimension).astype(np.float32)
    bits = _size(dimension).bit_length() - 1
    return signs, _hadamard(1 << bits // 2), _hadamard(1 << bits - bits // 2)


def _hadamard(order: int) -> Matrix:
    matrix = np.ones((1, 1), np.float32)
    while len(matrix) < order:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix / np.float32(np.sqrt(order))
