"""Walks of real people, by subject, from a folder of ASF/AMC or BVH files."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path, PurePosixPath

import numpy as np

from gait.errors import MotionFileError
from train.simulate.mocap.amc import parse_amc
from train.simulate.mocap.anatomy import find_segments, guess_unit
from train.simulate.mocap.archive import Files, find_files
from train.simulate.mocap.asf import parse_asf
from train.simulate.mocap.bvh import parse_bvh
from train.simulate.mocap.recording import Recording
from train.simulate.mocap.retarget import retarget
from train.simulate.mocap.source import Source
from train.simulate.mocap.stretches import Stretch, find_stretches, sample
from train.simulate.movement.motion import RATE, Motion

SHORTEST = 1.0
"""Seconds that a walk must last: 10 frames from any moment of the first tenth."""

Take = Callable[[], Recording]

_KEPT = 16
"""Subjects whose walks are kept in memory, about 3 MB each."""


@dataclass(frozen=True)
class MotionLibrary:
    """Who walks, and their walks.

    Args:
        subjects: names, sorted.
        walks: stretches of a subject, at least two, which share no frame: the longest of each
            trial; of a subject with one trial, its stretches, the longest cut in two if even a
            half of it is longer than the others. Raises `MotionFileError`.
        skipped: why files that cannot be read were left out, of the subjects read so far.
    """

    subjects: tuple[str, ...]
    walks: Callable[[str], tuple[Stretch, ...]]
    skipped: list[MotionFileError]

    @staticmethod
    def open(path: Path, *, rate: float = 120.0, metres: float | None = None) -> "MotionLibrary":
        """Finds subjects; their files are read when asked for.

        A subject is a skeleton `NAME.asf` with the AMC files beside it (those called `NAME_*.amc`
        when several skeletons share a folder), or a folder with BVH files.

        Args:
            path: a folder with `<subject>/…`, or a `.tar.gz` of one.
            rate: frames a second of AMC files, which do not say (CMU: 120).
            metres: length of a unit of BVH files, which do not say; guessed from the legs if
                `None`.

        Raises:
            MotionFileError: no motion file, motion without a skeleton, or a subject twice.
        """
        files = find_files(path)
        takes = _find_takes(files, rate, metres)
        skipped: list[MotionFileError] = []
        return MotionLibrary(
            tuple(sorted(takes)),
            lru_cache(maxsize=_KEPT)(lambda subject: _walks(subject, takes[subject], skipped)),
            skipped,
        )

    def walk(
        self,
        subject: str,
        number: int,
        frames: int,
        rng: np.random.Generator,
        rate: float = RATE,
    ) -> Motion:
        """One walk from a random moment.

        Args:
            subject: one of `subjects`.
            number: 0 for the gallery's stretch, which no other number shares; for any other, one
                of the rest is drawn.
            frames: how many at most; a shorter stretch gives as many as it has, at least 10. It
                is never repeated to fill up.
            rng: chooses the stretch and the moment, and so the phase within a stride.
            rate: frames a second.

        Raises:
            MotionFileError: the subject has too little walking in files that can be read.
        """
        walks = self.walks(subject)
        stretch = walks[0 if number == 0 else rng.integers(1, len(walks))]
        count = min(frames, int(stretch.seconds * rate))
        start = rng.uniform(0, stretch.seconds - (count - 1) / rate)
        return sample(stretch, rate, count, start)


@lru_cache(maxsize=1)
def library_at(path: Path) -> MotionLibrary:
    """The library of a path with the usual rate and unit, opened once in a process."""
    return MotionLibrary.open(path)


def _find_takes(files: Files, rate: float, metres: float | None) -> dict[str, list[Take]]:
    takes: dict[str, list[Take]] = {}
    actors = [path for path in files if path.suffix.lower() == ".asf"]
    for path in actors:
        if path.stem in takes:
            raise MotionFileError(f"{path}: a second skeleton {path.stem!r}", file=path.name)
        takes[path.stem] = []
    for path in files:
        if path.suffix.lower() == ".amc":
            actor = _actor(path, actors)
            takes[actor.stem].append(partial(_read_amc, files[actor], files[path], rate))
    for path in files:
        if path.suffix.lower() == ".bvh":
            subject = path.parent.name or path.stem
            takes.setdefault(subject, []).append(partial(_read_bvh, files[path], metres))
    return {subject: found for subject, found in takes.items() if found}


def _actor(amc: PurePosixPath, actors: list[PurePosixPath]) -> PurePosixPath:
    """The skeleton of an AMC file: the only one beside it, or the one it is named after."""
    beside = [actor for actor in actors if actor.parent == amc.parent]
    if len(beside) > 1:
        beside = [actor for actor in beside if amc.stem.startswith(f"{actor.stem}_")]
    if len(beside) != 1:
        raise MotionFileError(
            f"{amc}: {len(beside)} skeletons fit; want one NAME.asf beside it, "
            "and NAME_<trial>.amc if there are several",
            file=amc.name,
        )
    return beside[0]


def _read_amc(asf: Callable[[], Source], amc: Callable[[], Source], rate: float) -> Recording:
    return parse_amc(amc(), parse_asf(asf()), rate)


def _read_bvh(bvh: Callable[[], Source], metres: float | None) -> Recording:
    recording = parse_bvh(bvh())
    if metres is None:
        metres = guess_unit(find_segments(recording.skeleton, recording.name))
    return recording.scaled(metres)


def _walks(subject: str, takes: list[Take], skipped: list[MotionFileError]) -> tuple[Stretch, ...]:
    found: list[list[Stretch]] = []
    for take in takes:
        try:
            found.append(find_stretches(retarget(take()), SHORTEST))
        except MotionFileError as error:
            skipped.append(error)
    trials = [max(stretches, key=_seconds) for stretches in found if stretches]
    if len(trials) > 1:
        return tuple(trials)
    walks = sorted(chain.from_iterable(found), key=_seconds, reverse=True)
    if walks:
        first, *others = walks
        halves = first.halves()
        if not others or min(map(_seconds, halves)) > others[0].seconds:
            walks = [*halves, *others]
    if len(walks) < 2 or min(map(_seconds, walks)) < SHORTEST:
        raise MotionFileError(
            f"subject {subject!r} has {sum(map(_seconds, walks)):.1f} s of walking ahead, want two "
            f"walks of {SHORTEST:g} s or more; leave the subject out",
            subject=subject,
        )
    return tuple(walks)


def _seconds(stretch: Stretch) -> float:
    return stretch.seconds
