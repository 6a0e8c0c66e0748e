"""How an index orders what it proposes: the nearest codes, by how much each bit says.

Which templates are proposed, and in which order, is decided here for every index: by counting the
bits in which codes differ, and then, among the few that differ least, by adding up what those bits
weigh. A bit weighs as much as the probe's number behind it, whose sign it is: one near zero says
little. Weights are whole numbers, so the order is the same everywhere.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from gallery.index.codes import signs
from gallery.index.interface import CodeMatrix, Ids
from gallery.template import Vector

_PLANES = 4
"""Bits of a weight."""

Distances = NDArray[np.int32]


class Probe(NamedTuple):
    """What is looked for.

    Attributes:
        numbers: `(bits,)` as `gallery.index.codes.rotated` gives them.
        code: `(bytes,)`, their signs.
        weights: `(_PLANES, bytes)`, their sizes from 0 to 15, the lowest bits first.
    """

    numbers: Vector
    code: NDArray[np.uint8]
    weights: CodeMatrix

    @classmethod
    def of(cls, numbers: Vector) -> Self:
        """The probe of some numbers."""
        sizes = np.abs(numbers)
        largest = (1 << _PLANES) - 1
        whole = np.rint(sizes * (largest / max(float(sizes.max()), 1e-30))).astype(np.uint8)
        planes = whole >> np.arange(_PLANES, dtype=np.uint8)[:, np.newaxis] & 1
        return cls(numbers, signs(numbers), np.packbits(planes, axis=1))


class Near(NamedTuple):
    """Templates near to a probe.

    Attributes:
        distances: bits in which their codes differ from the probe's, `(n,)`.
        templates: their numbers, `(n,)`.
        differing: those bits, `(n, bytes)`.
    """

    distances: Distances
    templates: Ids
    differing: CodeMatrix

    @classmethod
    def of(cls, probe: Probe, templates: Ids, codes: CodeMatrix) -> Self:
        """Templates with these codes."""
        differing = codes ^ probe.code
        return cls(_count(differing), templates, differing)

    @classmethod
    def together(cls, probe: Probe, some: Sequence[Self]) -> Self:
        """All of several."""
        if not some:
            return cls.of(probe, np.empty(0, np.int64), np.empty((0, len(probe.code)), np.uint8))
        distances, templates, differing = zip(*some, strict=True)
        joined = np.concatenate(distances), np.concatenate(templates), np.concatenate(differing)
        return cls(*joined)

    def only(self, kept: NDArray[np.bool_]) -> Self:
        """Some of them."""
        distances, templates, differing = self
        return type(self)(distances[kept], templates[kept], differing[kept])

    def nearest(self, count: int) -> Self:
        """Those with the `count` smallest distances, and those as near as the last of them."""
        if len(self.distances) <= count:
            return self
        return self.only(self.distances <= np.partition(self.distances, count - 1)[count - 1])

    def proposed(self, probe: Probe, count: int) -> Ids:
        """The nearest, ordered by the weights of the bits that differ, then by number."""
        _, templates, differing = self.nearest(count)
        weights = sum(
            (_count(differing & plane) << place for place, plane in enumerate(probe.weights)),
            np.zeros(len(templates), np.int32),
        )
        return templates[np.lexsort((templates, weights))]


def _count(bits: CodeMatrix) -> Distances:
    """How many of each row are set."""
    wide = np.uint64 if bits.shape[1] % 8 == 0 else np.uint8
    counted: Distances = np.bitwise_count(np.ascontiguousarray(bits).view(wide)).sum(
        axis=1, dtype=np.int32
    )
    return counted
