"""A scan over the beginnings of very many codes: which of them are likely the nearest to a probe.

A probe is compared by its numbers and not by their signs, which says more with the same bits: the
estimate of a code is the sum of the probe's numbers, each with the code's sign. Four bits of a code
have sixteen such sums, so each probe gets a table of sixteen for every four bits, and FAISS adds up
what 32 codes find in it at once (André, Kermarrec and Le Scouarnec, "Cache locality is not enough:
High-performance nearest neighbor search with product quantization fast scan", 2015).
"""

from typing import Any

import faiss
import numpy as np

from gallery.index.interface import CodeMatrix, Ids
from gallery.template import Matrix

BYTES = 32
"""Of a code, that are looked at."""
_GROUP = 4
_SIGNS = np.array(
    [[1 if value >> bit & 1 else -1 for bit in reversed(range(_GROUP))] for value in range(16)],
    np.float32,
)
"""What four bits stand for, by their value: the first number's sign is the highest bit."""


class Scan:
    """Some codes `(n, bytes)`. Several threads may search at once."""

    def __init__(self, codes: CodeMatrix) -> None:
        first = np.ascontiguousarray(codes[:, :BYTES])
        self._bits = 8 * first.shape[1]
        self._index = _tables(first)
        self._packer = self._index.get_CodePacker()

    def nearest(self, probes: Matrix, count: int) -> Ids:
        """Rows of the codes that are likely nearest to some probes.

        Args:
            probes: `(m, bits)`, numbers whose signs are a probe's code.
            count: of rows wanted.

        Returns:
            `(m, count)`, or all rows if there are fewer; in no particular order.
        """
        held = self._index.ntotal
        if count >= held:
            return np.broadcast_to(np.arange(held), (len(probes), held))
        groups = probes[:, : self._bits].reshape(len(probes), -1, 2, _GROUP)
        swapped = groups[:, :, ::-1]  # FAISS takes the lower half of a byte first
        faiss.omp_set_num_threads(1)  # of this thread: a team costs more than it does
        rows: Ids = self._index.search(swapped.reshape(len(probes), -1), count)[1]
        for some in rows:
            missing = some < 0  # FAISS leaves out codes that differ in every bit
            if missing.any():
                some[missing] = np.setdiff1d(np.arange(held), some)[: missing.sum()]
        return rows

    def overwrite(self, rows: Ids) -> None:
        """Puts zeros in the place of codes."""
        zeros = np.zeros(self._packer.code_size, np.uint8)
        for row in rows.tolist():
            self._packer.pack_1(zeros, row % self._packer.nvec, self._block(row))

    @property
    def codes(self) -> CodeMatrix:
        """The beginnings of all codes, as they lie here."""
        unpack, together = self._packer.unpack_1, self._packer.nvec
        rows = range(self._index.ntotal)
        return np.stack([unpack(self._block(row), row % together) for row in rows])

    def _block(self, row: int) -> CodeMatrix:
        """The memory `(1, bytes)` in which a code lies among others."""
        memory: CodeMatrix = faiss.rev_swig_ptr(self._index.codes.get(), self._index.codes.size())
        blocks = memory.reshape(-1, self._packer.block_size)
        return blocks[row // self._packer.nvec :][:1]


def _tables(codes: CodeMatrix) -> Any:
    """An IndexPQFastScan of codes as they are."""
    groups = 8 // _GROUP * codes.shape[1]
    plain = faiss.IndexPQ(_GROUP * groups, groups, _GROUP, faiss.METRIC_INNER_PRODUCT)
    faiss.copy_array_to_vector(np.tile(_SIGNS, (groups, 1)).ravel(), plain.pq.centroids)
    plain.is_trained = True
    plain.add_sa_codes(codes)
    # copies the codes in the order that it needs
    packed = faiss.IndexPQFastScan(plain)  # type: ignore[arg-type]
    packed.orig_codes = None  # type: ignore[attr-defined]
    return packed
