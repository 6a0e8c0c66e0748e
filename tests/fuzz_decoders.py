"""Command: many mutated clip files against the decoders.

    python -m tests.fuzz_decoders --inputs 100000

A mutant that brings out something new (another format, error code or message) joins the corpus, so
the search is led to what has not been seen. It fails with the input in a file when anything but a
clip or an error of the tree comes out, when one input takes longer than `--slowest`, or when memory
has grown by more than `--growth` MiB since the first tenth.
"""

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from gait.decode import Limits, decode_clip
from gait.errors import ConfigError, GaitError
from gait.modality import Modality
from tests.unit.test_decode_fuzz import MAGICS, samples

LIMITS = Limits(
    max_bytes=1 << 20, max_frames=40, max_pixels=1 << 16, max_inflated_bytes=1 << 22, max_entries=60
)
CORPUS = 4000
"""Most inputs kept to be mutated further."""


@dataclass(frozen=True)
class Arguments:
    """Feeds mutated clip files to the decoders."""

    inputs: int = 100_000
    """How many."""
    seed: int = 0
    """Of the mutations."""
    slowest: float = 5.0
    """Seconds that one input may take."""
    growth: float = 64.0
    """MiB that memory may grow by after the first tenth."""
    keep: Path = Path("fuzz-failure.bin")
    """Where the input that failed is written."""


@dataclass
class Fuzz:
    """A corpus and what it brought out so far."""

    rng: random.Random
    corpus: list[bytes] = field(default_factory=lambda: list(samples().values()))
    seen: set[str] = field(default_factory=set)
    clips: int = 0
    longest: float = 0.0
    last: bytes = b""

    def step(self) -> None:
        """Decodes one more mutant."""
        data = self.last = self._mutant()
        started = time.perf_counter()
        outcome = _outcome(data, self.rng.choice([None, None, *Modality]))
        self.longest = max(self.longest, time.perf_counter() - started)
        self.clips += outcome.startswith("clip")
        if outcome not in self.seen and len(self.corpus) < CORPUS:
            self.seen.add(outcome)
            self.corpus.append(data)

    def _mutant(self) -> bytes:
        data = bytearray(self.rng.choice(self.corpus))
        for _ in range(self.rng.choice((1, 1, 2, 4, 16))):
            self.rng.choice(_MUTATIONS)(data, self.rng, self.corpus)
        return bytes(data[: LIMITS.max_bytes + 10])


def _outcome(data: bytes, modality: Modality | None) -> str:
    """What came out, in few words: numbers and names are left out."""
    try:
        decoded = decode_clip(data, modality=modality, limits=LIMITS)
    except GaitError as error:
        return f"{error.code} {re.sub(r'[0-9]+|' + chr(39) + '.*?' + chr(39), '#', str(error))}"
    assert 0 < len(decoded.clip) <= LIMITS.max_frames
    return f"clip {decoded.format} {decoded.clip.modality} {sorted(decoded.dropped)}"


Mutation = Callable[[bytearray, random.Random, list[bytes]], None]


def _flip(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _boundary(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    """Writes a number that is at the edge of some integer's range."""
    size = rng.choice((1, 2, 4, 8))
    value = rng.choice((0, 1, (1 << 8 * size - 1) - 1, 1 << 8 * size - 1, (1 << 8 * size) - 1))
    at = rng.randrange(max(1, len(data)))
    data[at : at + size] = value.to_bytes(size, rng.choice(("little", "big")))


def _cut(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    at = rng.randrange(len(data) + 1)
    del data[at : at + rng.choice((1, 4, 64, len(data)))]


def _repeat(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = data[at : at + rng.choice((1, 16, 256))] * rng.choice((1, 2, 8))


def _splice(data: bytearray, rng: random.Random, corpus: list[bytes]) -> None:
    other = rng.choice(corpus)
    at, start = rng.randrange(len(data) + 1), rng.randrange(len(other) + 1)
    data[at:] = other[start:]


def _magic(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    magic = rng.choice(MAGICS)
    at = rng.choice((0, 0, rng.randrange(len(data) + 1)))
    data[at : at + len(magic)] = magic


_MUTATIONS: tuple[Mutation, ...] = (_flip, _flip, _boundary, _cut, _repeat, _splice, _magic)


def fuzz(arguments: Arguments) -> str:
    """Runs the mutants; returns one line on what was seen.

    Raises:
        ConfigError: an input took too long, or memory grew.
    """
    run, settled = Fuzz(random.Random(arguments.seed)), 0.0
    for number in range(arguments.inputs):
        try:
            run.step()
        except BaseException:
            arguments.keep.write_bytes(run.last)
            raise
        if run.longest > arguments.slowest:
            arguments.keep.write_bytes(run.last)
            raise ConfigError(f"input {number} took {run.longest:.1f} s: {arguments.keep}")
        if number == arguments.inputs // 10:
            settled = _resident_mib()
    grown = _resident_mib() - settled
    if grown > arguments.growth:
        raise ConfigError(f"memory grew by {grown:.0f} MiB, {arguments.growth:.0f} allowed")
    return (
        f"{arguments.inputs} inputs, {run.clips} of them clips, {len(run.seen)} kinds of outcome, "
        f"longest {run.longest:.2f} s, memory {grown:+.0f} MiB"
    )


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / (1 << 20)


if __name__ == "__main__":
    print(fuzz(tyro.cli(Arguments, prog="python -m tests.fuzz_decoders")))
