"""Biovision hierarchy files (BVH).

Joints turn about the axes of their parents; a `CHANNELS` line gives the order of the rotations,
the last one applied first: `Zrotation Xrotation Yrotation` is `R = R_z R_x R_y`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from train.simulate.mocap.recording import Recording, Skeleton, accumulate
from train.simulate.mocap.source import MAX_BONES, MAX_FRAMES, Source
from train.simulate.rotation import euler

Array = NDArray[np.float64]
Line = tuple[int, list[str]]

CHANNEL = re.compile(r"([xyz])(position|rotation)")


@dataclass
class _Joint:
    name: str
    parent: int
    offset: list[float]
    channels: list[tuple[str, str]]
    tip: list[float]
    """From the joint to the end of its bone: its first child's offset, or its End Site's."""


def parse_bvh(source: Source) -> Recording:
    """Reads a skeleton and its take, in the file's own unit of length.

    A bone ends where its first child starts, or at its `End Site`. Position channels move the
    root only: other joints keep their offsets, as in a rigid body.

    Raises:
        MotionFileError: malformed; names the file and the line.
    """
    lines = source.lines()
    joints = _Hierarchy(source, lines).read()
    rate, values = _motion(source, lines, sum(len(joint.channels) for joint in joints))
    local = np.empty((len(values), len(joints), 3, 3))
    root = np.zeros((len(values), 3))
    start = 0
    for index, joint in enumerate(joints):
        part = values[:, start : start + len(joint.channels)]
        start += len(joint.channels)
        turns = [at for at, (_, kind) in enumerate(joint.channels) if kind == "rotation"][::-1]
        order = [joint.channels[at][0] for at in turns]
        local[:, index] = euler(order, np.radians(part[:, turns]))
        for at, (axis, kind) in enumerate(joint.channels):
            if index == 0 and kind == "position":
                root[:, "xyz".index(axis)] = part[:, at]
    skeleton = _skeleton(joints)
    return Recording(source.name, skeleton, rate, accumulate(skeleton.parents, local), root)


def _skeleton(joints: list[_Joint]) -> Skeleton:
    heads: list[Array] = []
    for joint in joints:
        base = np.zeros(3) if joint.parent < 0 else heads[joint.parent]
        heads.append(base + np.array(joint.offset))
    tips = np.array([joint.tip for joint in joints])
    return Skeleton(
        tuple(joint.name for joint in joints),
        tuple(joint.parent for joint in joints),
        np.stack(heads),
        np.stack(heads) + tips,
    )


class _Hierarchy:
    """Reads the joints up to and including the `MOTION` line, parents before children."""

    def __init__(self, source: Source, lines: Iterator[Line]) -> None:
        self.source = source
        self.lines = lines
        self.line = 1
        self.joints: list[_Joint] = []

    def read(self) -> list[_Joint]:
        self._expect("HIERARCHY", "is this a BVH file?")
        words = self._next()
        if words[0] != "ROOT":
            self.source.fail(self.line, f"got {words[0][:20]!r}, want 'ROOT'")
        self._joint(words, parent=-1)
        self._expect("MOTION", "one root only")
        return self.joints

    def _next(self) -> list[str]:
        self.line, words = next(self.lines, (self.line, []))
        return words or self.source.fail(self.line, "the file ends inside the hierarchy")

    def _expect(self, word: str, hint: str) -> None:
        if (words := self._next()) != [word]:
            self.source.fail(self.line, f"got {words[0][:20]!r}, want {word!r}; {hint}")

    def _joint(self, words: list[str], parent: int) -> list[float]:
        """Reads one joint and those below it; returns its offset."""
        name, opened = " ".join(words[1:]), self.line
        if not name or any(joint.name == name for joint in self.joints):
            self.source.fail(self.line, f"a joint wants a name of its own, got {name!r}")
        if len(self.joints) == MAX_BONES:
            self.source.fail(self.line, f"more than {MAX_BONES} joints")
        index = len(self.joints)
        joint = _Joint(name, parent, [], [], [])
        self.joints.append(joint)
        self._expect("{", "braces have lines of their own")
        while (words := self._next()) != ["}"]:
            if words[0] == "OFFSET" and not joint.offset:
                joint.offset = self.source.numbers(self.line, words[1:], 3)
            elif words[0] == "CHANNELS" and not joint.channels:
                joint.channels = self._channels(words[1:])
            elif words[0] == "JOINT" or words == ["End", "Site"]:
                tip = self._joint(words, index) if words[0] == "JOINT" else self._end_site()
                joint.tip = joint.tip or tip
            else:
                self.source.fail(self.line, f"{words[0][:20]!r} is unknown here, or a second one")
        if not joint.offset or not joint.tip:
            self.source.fail(opened, f"joint {name!r} wants an OFFSET and a JOINT or End Site")
        return joint.offset

    def _end_site(self) -> list[float]:
        self._expect("{", "braces have lines of their own")
        words = self._next()
        if words[0] != "OFFSET":
            self.source.fail(self.line, f"got {words[0][:20]!r}, want 'OFFSET'")
        tip = self.source.numbers(self.line, words[1:], 3)
        self._expect("}", "an End Site has an OFFSET only")
        return tip

    def _channels(self, words: list[str]) -> list[tuple[str, str]]:
        count = self.source.integer(self.line, words[0] if words else "", 1, 6)
        found = [CHANNEL.fullmatch(word.lower()) for word in words[1:]]
        channels = [(match[1], match[2]) for match in found if match]
        if not len(set(channels)) == len(found) == count:
            self.source.fail(
                self.line, f"want {count} different channels such as 'Xrotation', got {words[1:]}"
            )
        return channels


def _motion(source: Source, lines: Iterator[Line], width: int) -> tuple[float, Array]:
    """Rate in Hz and `(t, width)` values as written."""
    line, words = next(lines, (1, []))
    if len(words) != 2 or words[0] != "Frames:":
        source.fail(line, "want 'Frames: <count>' after 'MOTION'")
    count = source.integer(line, words[1], 1, MAX_FRAMES)
    line, words = next(lines, (line, []))
    if len(words) != 3 or words[:2] != ["Frame", "Time:"]:
        source.fail(line, "want 'Frame Time: <seconds>' after the frame count")
    (seconds,) = source.numbers(line, words[2:], 1)
    if not 1e-4 <= seconds <= 0.1:
        source.fail(line, f"got a frame time of {seconds:g} s, want 0.0001 to 0.1 (10 Hz or more)")
    values = [source.numbers(line := number, words, width) for number, words in lines]
    if len(values) != count:
        source.fail(line, f"got {len(values)} frames, the header says {count}")
    return 1 / seconds, np.array(values)
