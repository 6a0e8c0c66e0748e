"""LZF, the compression of `binary_compressed` PCD files (LibLZF by Marc Lehmann).

A block is a row of tokens, each begun by one control byte `c`:

    c < 32          c + 1 bytes follow, which are copied as they are
    c >= 32         n = c >> 5 (if 7, plus the next byte) and the next byte b:
                    n + 2 bytes are copied from ((c & 31) << 8 | b) + 1 bytes back

Where a token at each byte would end is known for all bytes at once, so finding the real tokens is
a walk along these ends. Then each output byte points at the byte that it copies, and following the
pointers, in strides that double, gives where its value comes from. So a byte costs about the same
whatever the content.
"""

import numpy as np
from numpy.typing import NDArray

from gait.errors import CorruptFileError

_LITERAL = 32
_LONG = 7

Index = NDArray[np.int32]


def decompress(data: bytes, size: int) -> bytes:
    """Decompresses one LZF block; memory is a small multiple of `size`.

    Args:
        data: the block.
        size: bytes it must give, compared with what is allowed by the caller.

    Raises:
        CorruptFileError: the block is cut off, points before its beginning, or gives another size.
    """
    if not size and not data:
        return b""
    if not data or len(data) > 2 * size:  # the worst token takes two bytes to give one
        raise _corrupt()
    block = np.frombuffer(data, np.uint8).astype(np.int32)
    starts = _token_starts(block)
    return _copied(block, starts, size)


def _token_starts(block: Index) -> Index:
    """Where each token begins."""
    length = np.where(block < _LITERAL, 2 + block, np.where(block >> 5 == _LONG, 3, 2))
    following = (np.arange(len(block)) + length).tolist()
    starts, at, stop = [], 0, len(block)
    while at < stop:
        starts.append(at)
        at = following[at]
    if at != stop:
        raise _corrupt()
    return np.array(starts, np.int32)


def _copied(block: Index, starts: Index, size: int) -> bytes:
    control = block[starts]
    literal, long = control < _LITERAL, control >> 5 == _LONG
    padded = np.append(block, [0, 0]).astype(np.int32)
    lengths = np.where(
        literal, control + 1, (control >> 5) + 2 + np.where(long, padded[starts + 1], 0)
    )
    back = ((control & 31) << 8 | padded[starts + 1 + long]) + 1
    ends = np.cumsum(lengths.astype(np.int64))
    if ends[-1] != size:
        raise _corrupt()
    begins = (ends - lengths).astype(np.int32)
    if (~literal & (begins < back)).any():
        raise _corrupt()
    token = np.repeat(np.arange(len(starts), dtype=np.int32), lengths)
    within = np.arange(size, dtype=np.int32) - begins[token]
    # A copy that reaches into itself repeats what is before it. A literal points at itself.
    repeats = np.flatnonzero((~literal & (lengths > back))[token])
    within[repeats] %= back[token[repeats]]
    source = within + (begins - np.where(literal, 0, back)).astype(np.int32)[token]
    _follow(source)
    # Literals point at themselves: what they hold is beside their token.
    owner = token[source]
    return bytes(block[starts[owner] + 1 + source - begins[owner]].astype(np.uint8))


def _follow(source: Index) -> None:
    """Replaces each pointer by where the chain of pointers from it ends."""
    unsettled = np.flatnonzero(source[source] != source)
    while len(unsettled):
        source[unsettled] = source[source[unsettled]]
        moved = source[unsettled]
        unsettled = unsettled[source[moved] != moved]


def _corrupt() -> CorruptFileError:
    return CorruptFileError("a compressed PCD frame is damaged or cut off; save it anew")
