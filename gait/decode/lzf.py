"""LZF, the compression of `binary_compressed` PCD files (LibLZF by Marc Lehmann).

A block is a row of tokens, each begun by one control byte `c`:

    c < 32          c + 1 bytes follow, which are copied as they are
    c >= 32         n = c >> 5 (if 7, plus the next byte) and the next byte b:
                    n + 2 bytes are copied from ((c & 31) << 8 | b) + 1 bytes back
"""

from gait.errors import CorruptFileError, LimitExceededError

MAX_TOKENS = 50_000
"""Tokens of one block. A cloud of x, y, z and intensity takes 2.6 for each point, so a person of
10,000 points takes half of this. Each costs 0.6 µs: hostile clips would take minutes otherwise."""

_LITERAL = 32
_LONG = 7


def decompress(data: bytes, size: int) -> bytes:
    """Decompresses one LZF block; never holds more than `size` bytes and one token.

    Args:
        data: the block.
        size: bytes it must give, compared with what is allowed by the caller.

    Raises:
        CorruptFileError: the block is cut off, points before its beginning, or gives another size.
        LimitExceededError: it has more than `MAX_TOKENS`.
    """
    out, at, tokens = bytearray(), 0, 0
    try:
        while at < len(data) and len(out) <= size:
            at, tokens = _token(data, at, out), tokens + 1
            if tokens > MAX_TOKENS:
                raise _too_many()
    except IndexError as error:
        raise _corrupt() from error
    if len(out) != size:
        raise _corrupt()
    return bytes(out)


def _token(data: bytes, at: int, out: bytearray) -> int:
    """Appends what the token at `at` stands for; returns where the next one begins."""
    control, at = data[at], at + 1
    if control < _LITERAL:
        stop = at + control + 1
        if stop > len(data):
            raise _corrupt()
        out += data[at:stop]
        return stop
    length = control >> 5
    if length == _LONG:
        length, at = length + data[at], at + 1
    start = len(out) - ((control & 31) << 8 | data[at]) - 1
    if start < 0:
        raise _corrupt()
    found = out[start : start + length + 2]
    repeats = 1 + (length + 1) // len(found)  # the copy may reach into itself
    out += (found * repeats)[: length + 2]
    return at + 1


def _too_many() -> LimitExceededError:
    return LimitExceededError(
        f"got more than {MAX_TOKENS} tokens in a compressed PCD frame; send the person's points "
        "only, or save the frames as binary",
        limit="max_tokens",
        allowed=MAX_TOKENS,
    )


def _corrupt() -> CorruptFileError:
    return CorruptFileError("a compressed PCD frame is damaged or cut off; save it anew")
