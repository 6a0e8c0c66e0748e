"""Biovision hierarchy files (BVH), as the programs that write them do.

Joints turn about the axes of their parents; a `CHANNELS` line gives the order of the rotations,
the last one applied first: `Zrotation Xrotation Yrotation` is `R = R_z R_x R_y`. Position channels
say where a joint is in its parent's axes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from train.simulate.mocap.recording import Recording, Skeleton, accumulate, place
from train.simulate.mocap.source import MAX_BONES, MAX_FRAMES, Source
from train.simulate.movement.rotation import euler

Array = NDArray[np.float64]
Word = tuple[int, str]
"""A word of the hierarchy and its line."""

CHANNEL = re.compile(r"([xyz])(position|rotation|scale)")
COUNT = re.compile(r"frames\s*:\s*(\S+)", re.IGNORECASE)
INTERVAL = re.compile(r"frame\s*time\s*:\s*(\S+)", re.IGNORECASE)

JUMP = 30.0
"""Degrees by which no joint turns from a frame to the next, unless the first is a bind pose."""

FASTEST = 600.0
"""Degrees a second of the fastest joint of a walker, for files of few frames a second."""


@dataclass
class _Joint:
    name: str
    parent: int
    offset: list[float] = field(default_factory=list)
    channels: list[tuple[str, str]] = field(default_factory=list)
    tip: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    """From the joint to its `End Site`, if it has one."""


def parse_bvh(source: Source) -> Recording:
    """Reads a skeleton and its take, in the file's own unit of length.

    A bone ends where its first child starts, or at its `End Site`. Where a joint has positions,
    they take the place of its offset (as Blender and MotionBuilder have it), or are added to it if
    they are smaller than what they differ from it; the rest pose has their median. A first frame
    from which a joint jumps to the second is a bind pose and left out.

    Raises:
        MotionFileError: malformed; names the file and the line.
    """
    words, motion = _split(source)
    joints = _Hierarchy(source, words).read()
    rate, values = _motion(source, motion, sum(len(joint.channels) for joint in joints))
    local = np.empty((len(values), len(joints), 3, 3))
    steps = np.empty((len(values), len(joints), 3))
    start = 0
    for index, joint in enumerate(joints):
        part = values[:, start : start + len(joint.channels)]
        start += len(joint.channels)
        local[:, index] = _turns(joint, part)
        steps[:, index] = _steps(joint, part)
    keep = slice(1 if _starts_with_a_bind_pose(local, rate) else 0, None)
    skeleton = _skeleton(joints, np.median(steps[keep], axis=0))
    world = accumulate(skeleton.parents, local[keep])
    joints_in_world = place(skeleton.parents, world, steps[keep])
    return Recording(source.name, skeleton, rate, world, joints_in_world)


def _turns(joint: _Joint, values: Array) -> Array:
    turns = [at for at, (_, kind) in enumerate(joint.channels) if kind == "rotation"][::-1]
    return euler([joint.channels[at][0] for at in turns], np.radians(values[:, turns]))


def _steps(joint: _Joint, values: Array) -> Array:
    """`(t, 3)` from the parent to the joint, in the parent's axes."""
    offset = np.array(joint.offset)
    steps = np.tile(offset, (len(values), 1))
    for at, (axis, kind) in enumerate(joint.channels):
        if kind == "position":
            steps[:, "xyz".index(axis)] = values[:, at]
    moved = np.median(steps, axis=0)
    if joint.parent >= 0 and np.linalg.norm(moved) < np.linalg.norm(moved - offset):
        for axis, kind in joint.channels:
            if kind == "position":
                steps[:, "xyz".index(axis)] += offset["xyz".index(axis)]
    return steps


def _starts_with_a_bind_pose(local: Array, rate: float) -> bool:
    if len(local) < 3:
        return False
    cosines = (np.einsum("bij,bij->b", local[0], local[1]) - 1) / 2
    return bool(np.degrees(np.arccos(np.clip(cosines.min(), -1, 1))) > max(JUMP, FASTEST / rate))


def _skeleton(joints: list[_Joint], steps: Array) -> Skeleton:
    heads = np.zeros((len(joints), 3))
    tails = np.zeros((len(joints), 3))
    for index, joint in enumerate(joints):
        if joint.parent >= 0:
            heads[index] = heads[joint.parent] + steps[index]
        tails[index] = heads[index] + joint.tip
    for index in range(len(joints) - 1, 0, -1):  # the first child comes last, and stays
        tails[joints[index].parent] = heads[index]
    return Skeleton(
        tuple(joint.name for joint in joints),
        tuple(joint.parent for joint in joints),
        heads,
        tails,
    )


def _split(source: Source) -> tuple[list[Word], list[tuple[int, list[str]]]]:
    """The words of the hierarchy up to `MOTION`, and the lines after it.

    Braces are words wherever they stand; `\\n` closes each line, since names may have blanks.
    """
    words: list[Word] = []
    lines = source.lines()
    for number, line in lines:
        if line[0].upper() == "MOTION":
            words.append((number, "MOTION"))
            return words, [(number, line[1:]), *lines] if line[1:] else list(lines)
        spaced = re.sub(r"([{}])", r" \1 ", " ".join(line)).split()
        words += [(number, word) for word in (*spaced, "\n")]
    return words, []


class _Hierarchy:
    """Reads the joints up to and including `MOTION`, parents before children."""

    def __init__(self, source: Source, words: list[Word]) -> None:
        self.source = source
        self.words = words
        self.at = 0
        self.line = 1
        self.joints: list[_Joint] = []

    def read(self) -> list[_Joint]:
        self._expect("HIERARCHY", "is this a BVH file?")
        self._expect("ROOT", "the first joint")
        self._joint(parent=-1)
        self._expect("MOTION", "one root only")
        return self.joints

    def _next(self) -> str:
        while self.at < len(self.words):
            self.line, word = self.words[self.at]
            self.at += 1
            if word != "\n":
                return word
        return self.source.fail(self.line, "the file ends inside the hierarchy")

    def _rest_of_line(self) -> list[str]:
        """Words up to the line's end or a brace."""
        start = self.at
        while self.at < len(self.words) and self.words[self.at][1] not in ("\n", "{", "}"):
            self.at += 1
        return [word for _, word in self.words[start : self.at]]

    def _expect(self, word: str, hint: str) -> None:
        if (found := self._next()).upper() != word:
            self.source.fail(self.line, f"got {found[:20]!r}, want {word!r}; {hint}")

    def _joint(self, parent: int) -> None:
        """Reads one joint and those below it."""
        name = " ".join(self._rest_of_line())
        if not name:
            self.source.fail(self.line, "a joint wants a name")
        if len(self.joints) == MAX_BONES:
            self.source.fail(self.line, f"more than {MAX_BONES} joints")
        index, opened = len(self.joints), self.line
        joint = _Joint(name, parent)
        self.joints.append(joint)
        self._expect("{", f"it opens joint {name!r}")
        while (word := self._next()) != "}":
            self._statement(word.upper(), joint, index)
        if not joint.offset:
            self.source.fail(opened, f"joint {name!r} wants an OFFSET")

    def _statement(self, keyword: str, joint: _Joint, index: int) -> None:
        if keyword == "OFFSET" and not joint.offset:
            joint.offset = self.source.numbers(self.line, self._rest_of_line(), 3)
        elif keyword == "CHANNELS" and not joint.channels:
            joint.channels = self._channels(self._rest_of_line())
        elif keyword == "JOINT":
            self._joint(index)
        elif keyword in ("END", "ENDSITE"):
            self._rest_of_line()
            joint.tip = self._end_site()
        else:
            self.source.fail(self.line, f"{keyword[:20]!r} is unknown here, or a second one")

    def _end_site(self) -> list[float]:
        self._expect("{", "it opens an End Site")
        self._expect("OFFSET", "an End Site has an OFFSET only")
        tip = self.source.numbers(self.line, self._rest_of_line(), 3)
        if (word := self._next()).upper() == "CHANNELS":
            self._channels(self._rest_of_line())
            word = self._next()
        if word != "}":
            self.source.fail(self.line, f"got {word[:20]!r}, want '}}'; it closes an End Site")
        return tip

    def _channels(self, words: list[str]) -> list[tuple[str, str]]:
        count = self.source.integer(self.line, words[0] if words else "", 0, 9)
        found = [CHANNEL.fullmatch(word.lower()) for word in words[1:]]
        channels = [(match[1], match[2]) for match in found if match]
        if not len(set(channels)) == len(found) == count:
            self.source.fail(
                self.line, f"want {count} different channels such as 'Xrotation', got {words[1:]}"
            )
        return channels


def _motion(source: Source, lines: list[tuple[int, list[str]]], width: int) -> tuple[float, Array]:
    """Rate in Hz and `(t, width)` values as written: as many whole frames as said, or there are."""
    rows = iter(lines)
    line, said = _header(source, rows, COUNT, "Frames: <count>", 1)
    count = source.integer(line, said, 1, MAX_FRAMES)
    line, said = _header(source, rows, INTERVAL, "Frame Time: <seconds>", line)
    (seconds,) = source.numbers(line, [said], 1)
    if not 1e-4 <= seconds <= 0.1:
        source.fail(line, f"got a frame time of {seconds:g} s, want 0.0001 to 0.1 (10 Hz or more)")
    return 1 / seconds, np.array(_frames(source, rows, width, count))


def _header(
    source: Source,
    rows: Iterator[tuple[int, list[str]]],
    form: re.Pattern[str],
    want: str,
    last: int,
) -> tuple[int, str]:
    line, words = next(rows, (last, []))
    match = form.fullmatch(" ".join(words))
    return (line, match[1]) if match else source.fail(line, f"want {want!r}")


def _frames(
    source: Source, rows: Iterator[tuple[int, list[str]]], width: int, count: int
) -> list[list[float]]:
    """Whole frames, at most `count`; one may run over several lines, the last may be cut off."""
    frames: list[list[float]] = []
    pending: list[float] = []
    line = opened = 1
    for line, words in rows:
        opened = opened if pending else line
        pending += source.numbers(line, words, len(words))
        if len(pending) > width:
            source.fail(opened, f"got {len(pending)} numbers, want {width}")
        if len(pending) == width:
            frames.append(pending)
            pending = []
        if len(frames) == count:
            break
    return frames or source.fail(line, f"got {len(pending)} numbers, want {width} for a frame")
