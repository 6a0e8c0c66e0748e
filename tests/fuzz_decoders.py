"""Command: many mutated clip files against the decoders.

    python -m tests.fuzz_decoders --inputs 100000 --workers 2

Mutants of one real file of each format; one that brings out something new (another format, error
code or message) joins the corpus, so the search is led to what has not been seen. Inputs are
decoded in processes of their own, so a crash or an endless loop is seen, counted and kept, and the
run goes on. It prints crashes, hangs, errors that are none of the project's, growth of memory and
how long an input took, and fails if there was any of the first three, or if p99.9 or the growth is
over its cap.
"""

import io
import multiprocessing
import random
import re
import sys
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tyro

from gait.decode import Limits, decode_clip
from gait.errors import GaitError
from gait.modality import Modality
from tests.clip_files import png_chunk, zipped
from tests.unit.test_decode_fuzz import LIMITS, MAGICS, samples

_INSIDE = 0.5
"""Part of the mutants of an archive that are made of its first entry."""

CORPUS = 4000
"""Most inputs kept to be mutated further."""


@dataclass(frozen=True)
class Arguments:
    """Feeds mutated clip files to the decoders."""

    inputs: int = 100_000
    """How many, over all workers."""
    workers: int = 1
    """Processes that decode at the same time."""
    seed: int = 0
    """Of the mutations."""
    hang: float = 20.0
    """Seconds of processor time, or ten times as many by the clock, after which an input counts as
    endless, and its process is killed."""
    slowest: float = 2.0
    """Seconds that 99.9 % of the inputs may take."""
    growth: float = 64.0
    """MiB that a process's memory may grow by after its first tenth."""
    keep: Path = Path("fuzz-failures")
    """Folder for inputs that failed."""


@dataclass
class Report:
    """What was seen."""

    inputs: int = 0
    clips: int = 0
    kinds: int = 0
    crashes: int = 0
    hangs: int = 0
    strangers: int = 0
    growth: float = 0.0
    seconds: list[float] = field(default_factory=list)

    def part(self, share: float) -> float:
        """Seconds that this share of the inputs took at most."""
        return float(np.quantile(self.seconds, share)) if self.seconds else 0.0

    def failed(self, arguments: Arguments) -> bool:
        """Whether something was seen that must not be."""
        wrong = self.crashes or self.hangs or self.strangers
        slow = self.part(0.999) > arguments.slowest
        return bool(wrong) or slow or self.growth > arguments.growth

    def line(self) -> str:
        """All of it in one line."""
        return (
            f"{self.inputs} inputs, {self.clips} of them clips, {self.kinds} kinds of outcome, "
            f"{self.crashes} crashes, {self.hangs} hangs, {self.strangers} foreign errors, "
            f"p50 {1e3 * self.part(0.5):.1f} ms, p99.9 {self.part(0.999):.2f} s, "
            f"longest {self.part(1):.2f} s, memory {self.growth:+.0f} MiB"
        )


@dataclass
class Fuzz:
    """A corpus and what it brought out so far."""

    rng: random.Random
    corpus: list[bytes] = field(default_factory=lambda: list(samples().values()))
    seen: set[str] = field(default_factory=set)

    def mutant(self) -> bytes:
        """The next input."""
        data = self.rng.choice(self.corpus)
        inside = self.rng.random() < _INSIDE and self._inside(data)
        return (inside or self._mutated(data))[: LIMITS.max_bytes + 10]

    def _mutated(self, whole: bytes) -> bytes:
        data = bytearray(whole)
        for _ in range(self.rng.choice((1, 1, 2, 4, 16))):
            self.rng.choice(_MUTATIONS)(data, self.rng, self.corpus)
        return bytes(data)

    def _inside(self, data: bytes) -> bytes | None:
        """An archive whose first entry is a mutant, with right checksums: they hide nothing."""
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                name = archive.namelist()[0]
                content = archive.read(name)
        except (zipfile.BadZipFile, zlib.error, *_BROKEN):
            return None
        mutant = self._mutated(content[: LIMITS.max_bytes])
        return zipped({name.encode("utf-8", "replace").decode(): _with_checksums(mutant)}, 0)

    def note(self, data: bytes, outcome: str) -> None:
        """Keeps an input that brought out something new."""
        if outcome not in self.seen and len(self.corpus) < CORPUS:
            self.seen.add(outcome)
            self.corpus.append(data)


def outcome_of(data: bytes, modality: Modality | None, limits: Limits = LIMITS) -> str:
    """What came out, in few words: numbers and names are left out."""
    try:
        decoded = decode_clip(data, modality=modality, limits=limits)
    except GaitError as error:
        return f"{error.code} {re.sub(r'[0-9]+|' + chr(39) + '.*?' + chr(39), '#', str(error))}"
    assert 0 < len(decoded.clip) <= limits.max_frames
    return f"clip {decoded.format} {decoded.clip.modality} {sorted(decoded.dropped)}"


_BROKEN = (IndexError, ValueError, KeyError, OSError, EOFError, RuntimeError, NotImplementedError)


def _with_checksums(png: bytes) -> bytes:
    """A PNG with right checksums; anything else as it is."""
    if not png.startswith(b"\x89PNG\r\n\x1a\n"):
        return png
    out, at = png[:8], 8
    while at + 12 <= len(png):
        end = at + 8 + int.from_bytes(png[at : at + 4], "big")
        if end + 4 > len(png):
            break
        out += png_chunk(png[at + 4 : at + 8], png[at + 8 : end])
        at = end + 4
    return out + png[at:]


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


def _work(pipe: Connection, seed: int, inputs: int, current: Path, keep: Path) -> None:
    """Decodes `inputs` mutants; each is in the file `current` while it is being decoded."""
    warnings.simplefilter("error")
    run = Fuzz(random.Random(seed))
    settled, clips, strangers = 0.0, 0, 0
    times: list[float] = []
    for number in range(inputs):
        data = run.mutant()
        current.write_bytes(data)
        started = time.perf_counter()
        try:
            outcome = outcome_of(data, run.rng.choice([None, None, *Modality]))
        except Exception as error:  # noqa: BLE001  (the border: whatever comes out is the finding)
            outcome = f"foreign {type(error).__name__} {error}"[:200]
            strangers += 1
            print(outcome, file=sys.stderr)
            _keep(keep, data, "foreign")
        times.append(time.perf_counter() - started)
        clips += outcome.startswith("clip")
        run.note(data, outcome)
        if number == inputs // 10:
            settled = _resident_mib()
        if len(times) >= 20:
            pipe.send((times, clips, len(run.seen), strangers, 0.0))
            times, clips, strangers = [], 0, 0
    pipe.send((times, clips, len(run.seen), strangers, _resident_mib() - settled))


def fuzz(arguments: Arguments) -> Report:
    """Runs the mutants in processes that are watched."""
    report = Report()
    with TemporaryDirectory() as folder:
        running = [
            _Worker(arguments, number, arguments.inputs // arguments.workers, Path(folder))
            for number in range(arguments.workers)
        ]
        while running:
            for worker in list(running):
                if not worker.watch(report):
                    running.remove(worker)
            time.sleep(0.01)
    return report


class _Worker:
    """One process at a time, replaced when it dies or hangs."""

    def __init__(self, arguments: Arguments, number: int, inputs: int, folder: Path) -> None:
        self.arguments, self.left, self.seed = arguments, inputs, 1000 * arguments.seed + number
        self.current = folder / f"{number}"
        self.start()

    def start(self) -> None:
        self.current.write_bytes(b"")  # a process may die before its first input
        self.pipe, theirs = multiprocessing.Pipe(duplex=False)
        self.heard = time.monotonic()
        self.process = multiprocessing.get_context("spawn").Process(
            target=_work,
            args=(theirs, self.seed, self.left, self.current, self.arguments.keep),
            daemon=True,
        )
        self.process.start()
        self.used = self._clock()
        theirs.close()

    def watch(self, report: Report) -> bool:
        """Takes what has come; False when all inputs are done."""
        done = self._take(report)
        if done:
            self.process.join()
            return False
        waited, used = time.monotonic() - self.heard, self._clock() - self.used
        allowed = self.arguments.hang + 20 * (report.inputs == 0)
        if self.process.is_alive() and used < allowed and waited < 10 * allowed:
            return True
        if self.process.is_alive():
            self.process.kill()
            report.hangs += 1
            _keep(self.arguments.keep, self.current.read_bytes(), "hang")
        else:
            report.crashes += 1
            _keep(self.arguments.keep, self.current.read_bytes(), "crash")
        self.process.join()
        self.seed, self.left = self.seed + 100, self.left - 1
        if self.left > 0:
            self.start()
        return self.left > 0

    def _take(self, report: Report) -> bool:
        try:
            while self.pipe.poll():
                times, clips, kinds, strangers, growth = self.pipe.recv()
                self.heard, self.used = time.monotonic(), self._clock()
                self.left -= len(times)
                report.inputs += len(times)
                report.seconds += times
                report.clips += clips
                report.strangers += strangers
                report.kinds = max(report.kinds, kinds)
                report.growth = max(report.growth, growth)
        except EOFError:
            pass
        return self.left <= 0

    def _clock(self) -> float:
        """Processor time of the process, which goes on while others keep the machine busy."""
        try:
            return time.clock_gettime((~(self.process.pid or 0) << 3) | 2)  # clock_getcpuclockid(3)
        except OSError:  # it has ended
            return 0.0


def _keep(folder: Path, data: bytes, what: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{what}-{abs(hash(data)):x}.bin").write_bytes(data)


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / (1 << 20)


def main() -> int:
    """Runs as the command line says; 1 if anything failed."""
    arguments = tyro.cli(Arguments, prog="python -m tests.fuzz_decoders")
    report = fuzz(arguments)
    print(report.line())
    return int(report.failed(arguments))


if __name__ == "__main__":
    sys.exit(main())
