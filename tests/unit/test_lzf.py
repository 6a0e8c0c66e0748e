"""LZF against blocks worked out by hand."""

import random
import time

import pytest

import tests.clip_files as files
from gait.decode.points.lzf import decompress
from gait.errors import CorruptFileError

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


def one_byte_at_a_time(block: bytes) -> bytes:
    """What the format says, as plainly as it can be written."""
    out, at = bytearray(), 0
    while at < len(block):
        control, at = block[at], at + 1
        if control < 32:
            out += block[at : at + control + 1]
            at += control + 1
            continue
        length = control >> 5
        if length == 7:
            length, at = length + block[at], at + 1
        back = ((control & 31) << 8 | block[at]) + 1
        at += 1
        for _ in range(length + 2):
            out.append(out[-back])
    return bytes(out)


def random_block(draw: random.Random) -> tuple[bytes, int]:
    block, size = bytearray(), 0
    for _ in range(draw.randrange(1, 40)):
        if size < 3 or draw.random() < 0.4:
            length = draw.randrange(1, 33)
            block += bytes([length - 1]) + draw.randbytes(length)
        else:
            length, back = draw.randrange(3, 265), draw.randrange(min(size, 8192))
            long = length - 2 >= 7
            block.append((7 if long else length - 2) << 5 | back >> 8)
            block += bytes([length - 9] if long else []) + bytes([back & 255])
        size += length
    return bytes(block), size


def test_it_agrees_with_the_plain_loop() -> None:
    draw = random.Random(1)
    for _ in range(300):
        block, size = random_block(draw)
        assert decompress(block, size) == one_byte_at_a_time(block)


def test_the_deepest_chains_take_no_longer() -> None:
    size = 1 + 264 * 4000
    block = b"\x00a" + b"\xe0\xff\x00" * 4000
    started = time.perf_counter()
    assert decompress(block, size) == b"a" * size
    assert time.perf_counter() - started < 2
