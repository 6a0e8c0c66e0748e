"""Damage to bytes that never leaves them as they were."""

from pathlib import Path


def flipped(data: bytes, place: int) -> bytes:
    """The bytes with one bit changed at a place, which may be counted from the end."""
    damaged = bytearray(data)
    damaged[place] ^= 1
    return bytes(damaged)


def flip(path: Path, place: int) -> None:
    """Changes one bit of a file at a place, which may be counted from the end."""
    path.write_bytes(flipped(path.read_bytes(), place))
