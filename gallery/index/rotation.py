"""A fixed random rotation that spreads an embedding evenly over its numbers.

After it every number of a unit vector of dimension n is close to a normal one of deviation 1/√n,
whatever the network made: so one scale fits all numbers, and any of their signs say as much as
any others (Ailon and Chazelle, "The fast Johnson–Lindenstrauss transform", 2009: x ↦ H D x).
"""

from functools import cache

import numpy as np

from gallery.template import Matrix

_SEED = 4096


def rotated(vectors: Matrix) -> Matrix:
    """Vectors `(n, dimension)` rotated; `(n, size)`, size the next power of two.

    Norms and inner products stay as they are.
    """
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


def size(dimension: int) -> int:
    """Numbers of a rotated vector: the next power of two, at least 64."""
    return max(64, 1 << (dimension - 1).bit_length())


@cache
def _factors(dimension: int) -> tuple[Matrix, Matrix, Matrix]:
    signs = np.random.default_rng(_SEED).choice([-1, 1], dimension).astype(np.float32)
    bits = size(dimension).bit_length() - 1
    return signs, _hadamard(1 << bits // 2), _hadamard(1 << bits - bits // 2)


def _hadamard(order: int) -> Matrix:
    matrix = np.ones((1, 1), np.float32)
    while len(matrix) < order:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix / np.float32(np.sqrt(order))
