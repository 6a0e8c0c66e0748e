"""A process that changes a gallery until it is killed, and what the gallery must hold then.

The child writes a line to a ledger before each change and another after it. So whoever opens the
gallery afterwards knows what was acknowledged, and which one change may be there or not.
"""

import json
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, field
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from gallery.gallery import Gallery
from gallery.opening import open_gallery
from gallery.record.master_key import MasterKey
from tests.galleries import DIMENSION, enrolment

People = dict[str, frozenset[int]]
"""Subject → seeds of the embeddings that are enrolled."""

NAMES = tuple(f"person {number}" for number in range(6))
PACKAGE = f"{os.sep}gallery{os.sep}"


@dataclass(frozen=True)
class Change:
    """One change of a gallery: an enrolment, a removal, a merge, or one of the index only."""

    kind: str
    subject: str = ""
    other: str = ""
    seeds: tuple[int, ...] = ()

    def applied(self, people: People) -> People:
        """The people after it."""
        after = dict(people)
        match self.kind:
            case "enrol":
                after[self.subject] = after.get(self.subject, frozenset()) | set(self.seeds)
            case "remove":
                del after[self.subject]
            case "forget":
                left = after.pop(self.subject) - set(self.seeds)
                if left:
                    after[self.subject] = left
            case "merge":
                after[self.other] |= after.pop(self.subject)
        return after

    def run(self, gallery: Gallery) -> None:
        """Makes it."""
        match self.kind:
            case "enrol":
                gallery.enrol([enrolment(self.subject, vector(seed)) for seed in self.seeds])
            case "remove":
                gallery.remove_subject(self.subject)
            case "forget":
                gallery.remove_template(template_of(gallery, self.subject, self.seeds[0]))
            case "merge":
                gallery.merge(self.subject, self.other)
            case "rebuild":
                gallery.health()


def vector(seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """`(DIMENSION,)` of norm 1."""
    drawn = np.random.default_rng(seed).standard_normal(DIMENSION).astype(np.float32)
    unit: np.ndarray[Any, np.dtype[np.float32]] = drawn / np.linalg.norm(drawn)
    return unit


def template_of(gallery: Gallery, subject: str, seed: int) -> int:
    """Id of the subject's template of this embedding."""
    digest = enrolment(subject, vector(seed)).digest
    return next(t.id for t in gallery.templates(subject) if t.digest == digest)


def next_change(people: People, rng: random.Random, seeds: Iterator[int]) -> Change:
    """Any change that these people allow."""
    kinds = ["enrol", "enrol", "enrol", "rebuild"]
    kinds += ["remove", "forget"] if people else []
    kinds += ["merge"] if len(people) > 1 else []
    kind = rng.choice(kinds)
    if kind == "enrol":
        fresh = tuple(next(seeds) for _ in range(rng.randint(1, 3)))
        return Change(kind, rng.choice(NAMES), seeds=fresh)
    if kind == "rebuild":
        return Change(kind)
    subject, *others = rng.sample(sorted(people), len(people))
    if kind == "merge":
        return Change(kind, subject, others[0])
    return Change(kind, subject, seeds=(rng.choice(sorted(people[subject])),))


@dataclass
class Ledger:
    """What a child said: the changes it began, and how many of them it finished."""

    begun: list[Change] = field(default_factory=list)
    finished: int = 0

    @classmethod
    def read(cls, path: Path) -> "Ledger":
        """The ledger that a child wrote, which may end in the middle of a line."""
        ledger = cls()
        for line in path.read_text().split("\n")[:-1]:
            if line == "done":
                ledger.finished += 1
            else:
                kind, subject, other, seeds = json.loads(line)
                ledger.begun.append(Change(kind, subject, other, tuple(seeds)))
        return ledger


def change_until_killed(
    location: str, ledger: str, people: People, seed: int, lines: int, password: str | None
) -> None:
    """Changes a gallery for ever; the child's body.

    Args:
        location: of the gallery.
        ledger: file to write what was begun and done to.
        people: whom the gallery holds.
        seed: of the changes.
        lines: of the gallery's code to run before it kills itself; 0 to be killed from outside.
        password: of PostgreSQL, if it has one.
    """
    if password is not None:
        os.environ["PGPASSWORD"] = password
    if lines:
        die_after(lines)
    rng, seeds = random.Random(seed), count(1000 * seed)
    log = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with open_gallery(location) as gallery:
        for _ in range(10_000):
            change = next_change(people, rng, seeds)
            os.write(log, f"{json.dumps(astuple(change))}\n".encode())
            change.run(gallery)
            os.write(log, b"done\n")
            people = change.applied(people)


def rotate_until_killed(folder: str, old: bytes, new: bytes, lines: int) -> None:
    """Changes the master key of a gallery, and dies after so many lines of the gallery's code."""
    die_after(lines)
    with open_gallery(Path(folder), master=MasterKey(old)) as gallery:
        gallery.rotate(MasterKey(new))
    os.kill(os.getpid(), signal.SIGKILL)


def die_after(lines: int, package: str = PACKAGE) -> None:
    """Kills this process once it has run so many lines of a package, in whatever thread."""
    left = count(lines, -1)

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
        if package not in frame.f_code.co_filename:
            return None
        if event == "line" and next(left) <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    threading.settrace(trace)
    sys.settrace(trace)
