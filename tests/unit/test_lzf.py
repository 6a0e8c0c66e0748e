"""LZF against blocks worked out by hand."""

import random

import pytest

import tests.clip_files as files
from gait.decode.lzf import MAX_TOKENS, decompress
from gait.errors import CorruptFileError, LimitExceededError

pytestmark = pytest.mark.serving


@pytest.mark.parametrize(
    ("block", "want"),
    [
        (b"", b""),
        (b"\x02abc", b"abc"),
        (b"\x02abc\x20\x02", b"abcabc"),  # 3 bytes from 3 back
        (b"\x02abc\x20\x00", b"abcccc"),  # 3 bytes from 1 back: the copy reaches into itself
        (b"\x02abc\xe0\x01\x02", b"abc" + b"abc" * 3 + b"a"),  # 7 + 1 + 2 bytes from 3 back
        (b"\x1f" + bytes(range(32)) + b"\x40\x1f", bytes(range(32)) + bytes(range(4))),
        (b"\x1f" + b"a" * 32 + b"\xe0\xff\x00" + b"\x21\x27", b"a" * (32 + 264 + 3)),  # 296 back
    ],
)
def test_blocks_worked_out_by_hand(block: bytes, want: bytes) -> None:
    assert decompress(block, len(want)) == want


def test_it_undoes_compression() -> None:
    draw = random.Random(0)
    data = b"".join(bytes([draw.randrange(256)]) * draw.randrange(1, 700) for _ in range(60))
    packed = files.lzf(data)
    assert len(packed) < len(data) / 10
    assert decompress(packed, len(data)) == data


@pytest.mark.parametrize(
    ("block", "size"),
    [
        (b"\x02ab", 3),  # fewer bytes than the token says
        (b"\x02abc\x20", 6),  # no distance
        (b"\x02abc\xe0", 12),  # no length
        (b"\x02abc\x20\x03", 6),  # from before the beginning
        (b"\x20\x00", 3),
        (b"\x02abc", 2),  # too much
        (b"\x02abc", 4),  # too little
        (b"\x00a" + b"\xe0\xff\x00" * 100_000, 1000),  # 26 MB
    ],
)
def test_damaged_blocks_are_corrupt(block: bytes, size: int) -> None:
    with pytest.raises(CorruptFileError, match="compressed PCD"):
        decompress(block, size)


def test_tokens_are_counted() -> None:
    block = b"\x00a" * MAX_TOKENS
    assert decompress(block, MAX_TOKENS) == b"a" * MAX_TOKENS
    with pytest.raises(LimitExceededError, match="tokens"):
        decompress(block + b"\x00a", MAX_TOKENS + 1)
