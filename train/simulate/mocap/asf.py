"""Acclaim skeleton files (ASF).

Format: Acclaim's skeleton description as written by the CMU motion capture database
(mocap.cs.cmu.edu): directions in the world's axes at rest, `axis` Euler angles of each bone's own
frame, `dof` its channels. Joint limits and masses are skipped: they constrain solvers, not poses.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from train.simulate.mocap.recording import Skeleton
from train.simulate.mocap.source import MAX_BONES, Source
from train.simulate.movement.rotation import euler

Array = NDArray[np.float64]
Line = tuple[int, list[str]]

METRES_PER_INCH = 0.0254
ROTATIONS = ("rx", "ry", "rz")
TRANSLATIONS = ("tx", "ty", "tz")
SECTIONS = (
    "version", "name", "units", "documentation", "root", "bonedata", "hierarchy", "skin",
)  # fmt: skip


@dataclass(frozen=True)
class Actor:
    """A skeleton and what its AMC files need.

    Args:
        skeleton: bones in metres; bone 0 is `root`.
        axes: `(b, 3, 3)` each bone's own frame at rest.
        channels: per bone, the channels of an AMC line in order (`tx` … `rz`).
        metres: length of one file unit.
    """

    skeleton: Skeleton
    axes: Array
    channels: tuple[tuple[str, ...], ...]
    metres: float


@dataclass(frozen=True)
class _Bone:
    line: int
    name: str
    along: Array
    axis: Array
    channels: tuple[str, ...]


def parse_asf(source: Source) -> Actor:
    """Reads a skeleton.

    File units are `1 / length` inches (CMU: `length 0.45`, so one unit is 0.0254 / 0.45 m).

    Raises:
        MotionFileError: malformed; names the file and the line.
    """
    sections = _sections(source)
    radians, metres = _units(source, sections["units"])
    root = _root(source, sections["root"], radians)
    bones = {root.name: root}
    for bone in _bones(source, sections["bonedata"], radians, metres):
        if bone.name in bones:
            source.fail(bone.line, f"bone {bone.name!r} appears twice")
        if len(bones) == MAX_BONES:
            source.fail(bone.line, f"more than {MAX_BONES} bones")
        bones[bone.name] = bone
    parents = _hierarchy(source, sections["hierarchy"], bones)
    return _assemble(bones, parents, metres)


def _sections(source: Source) -> dict[str, list[Line]]:
    sections: dict[str, list[Line]] = {}
    body: list[Line] | None = None
    line = 1
    for line, words in source.lines():
        if words[0].startswith(":"):
            keyword = words[0][1:].lower()
            if keyword not in SECTIONS:
                source.fail(line, f"unknown section {words[0]!r}; is this an ASF file?")
            if keyword in sections:
                source.fail(line, f"section {words[0]!r} appears twice")
            body = sections.setdefault(keyword, [])
        elif body is None:
            source.fail(line, "want a section such as ':version' first; is this an ASF file?")
        else:
            body.append((line, words))
    for keyword in ("units", "root", "bonedata", "hierarchy"):
        if keyword not in sections:
            source.fail(line, f"the file ends without a ':{keyword}' section")
    return sections


def _units(source: Source, body: list[Line]) -> tuple[float, float]:
    """Radians of one angle unit and metres of one length unit."""
    radians, metres = math.pi / 180, METRES_PER_INCH
    for line, words in body:
        if words[0] == "angle":
            if words[1:] not in (["deg"], ["rad"]):
                source.fail(line, f"got angle {' '.join(words[1:])!r}, want 'deg' or 'rad'")
            radians = 1.0 if words[1] == "rad" else math.pi / 180
        elif words[0] == "length":
            (length,) = source.numbers(line, words[1:], 1)
            if length <= 0:
                source.fail(line, f"got length unit {length:g}, want more than 0")
            metres = METRES_PER_INCH / length
        elif words[0] != "mass":
            source.fail(line, f"unknown unit {words[0]!r}")
    return radians, metres


def _root(source: Source, body: list[Line], radians: float) -> _Bone:
    line, order, rotation = 0, "xyz", [0.0, 0.0, 0.0]
    channels: tuple[str, ...] = ()
    for line, words in body:
        if words[0] == "order":
            channels = _channels(source, line, words[1:], ROTATIONS + TRANSLATIONS)
        elif words[0] == "axis" and len(words) == 2:
            order = _order(source, line, words[1])
        elif words[0] == "orientation":
            rotation = source.numbers(line, words[1:], 3)
        elif words[0] == "position":
            source.numbers(line, words[1:], 3)
        else:
            source.fail(line, f"unknown line in ':root': {' '.join(words)!r}")
    if set(channels) != set(ROTATIONS + TRANSLATIONS):
        source.fail(line, "the root wants an 'order' of all of TX TY TZ RX RY RZ")
    return _Bone(line, "root", np.zeros(3), euler(order, np.array(rotation) * radians), channels)


def _bones(source: Source, body: list[Line], radians: float, metres: float) -> Iterator[_Bone]:
    lines = iter(body)
    for line, words in lines:
        if words != ["begin"]:
            source.fail(line, f"got {words[0]!r}, want 'begin' of a bone")
        yield _bone(source, line, lines, radians, metres)


def _bone(
    source: Source, begin: int, lines: Iterator[Line], radians: float, metres: float
) -> _Bone:
    values: dict[str, Line] = {}
    for line, words in lines:
        if words == ["end"]:
            break
        if words[0] == "begin":
            source.fail(line, "a bone begins inside another; want 'end' first")
        if words[0] in values:
            source.fail(line, f"{words[0]!r} appears twice in one bone")
        if not words[0].startswith("("):  # the second and third row of `limits`
            values[words[0]] = (line, words[1:])
    else:
        source.fail(begin, "this bone has no 'end'")
    for key in ("name", "direction", "length", "axis"):
        if key not in values:
            source.fail(begin, f"this bone has no {key!r}")
    return _Bone(
        begin,
        _name(source, *values["name"]),
        _along(source, values["direction"], values["length"]) * metres,
        _axis(source, *values["axis"], radians),
        _channels(source, *values.get("dof", (begin, [])), ROTATIONS),
    )


def _name(source: Source, line: int, words: list[str]) -> str:
    if len(words) != 1:
        source.fail(line, f"want one word as a bone's name, got {' '.join(words)!r}")
    return words[0]


def _along(source: Source, direction: Line, length: Line) -> Array:
    """From a bone's head to its tail at rest, in file units."""
    towards = np.array(source.numbers(*direction, 3))
    size = float(np.linalg.norm(towards))
    if size < 1e-6:
        source.fail(direction[0], "a bone's direction must not be zero")
    (units,) = source.numbers(*length, 1)
    if units < 0:
        source.fail(length[0], f"a bone's length must not be negative, got {units:g}")
    return np.asarray(towards * (units / size))


def _axis(source: Source, line: int, words: list[str], radians: float) -> Array:
    order = _order(source, line, words[3]) if len(words) == 4 else "xyz"
    return euler(order, np.array(source.numbers(line, words[:3], 3)) * radians)


def _order(source: Source, line: int, word: str) -> str:
    order = word.lower()
    if sorted(order) != ["x", "y", "z"]:
        source.fail(line, f"got axis order {word!r}, want each of X, Y and Z once")
    return order


def _channels(
    source: Source, line: int, words: list[str], known: tuple[str, ...]
) -> tuple[str, ...]:
    channels = tuple(word.lower() for word in words)
    if len(set(channels)) != len(channels) or not set(channels) <= set(known):
        source.fail(line, f"got channels {' '.join(words)!r}, want of {' '.join(known)} each once")
    return channels


def _hierarchy(source: Source, body: list[Line], bones: dict[str, _Bone]) -> dict[str, str]:
    """Each bone's parent by name, in an order that has parents first."""
    if not body or body[0][1] != ["begin"] or body[-1][1] != ["end"]:
        source.fail(body[0][0] if body else 1, "want 'begin' and 'end' around the hierarchy")
    parents: dict[str, str] = {}
    for line, (parent, *children) in body[1:-1]:
        if parent != "root" and parent not in parents:
            source.fail(line, f"bone {parent!r} has no parent yet; want it as a child before")
        for child in children:
            if child not in bones or child == "root":
                source.fail(line, f"unknown bone {child!r}; ':bonedata' does not have it")
            if child in parents:
                source.fail(line, f"bone {child!r} has two parents")
            parents[child] = parent
    if missing := set(bones) - set(parents) - {"root"}:
        source.fail(body[-1][0], f"bone {min(missing)!r} has no place in the hierarchy")
    return parents


def _assemble(bones: dict[str, _Bone], parents: dict[str, str], metres: float) -> Actor:
    names = ("root", *parents)
    tails: dict[str, Array] = {"root": np.zeros(3)}
    heads: dict[str, Array] = {"root": np.zeros(3)}
    for name, parent in parents.items():
        heads[name] = tails[parent]
        tails[name] = heads[name] + bones[name].along
    skeleton = Skeleton(
        names,
        (-1, *(names.index(parent) for parent in parents.values())),
        np.stack([heads[name] for name in names]),
        np.stack([tails[name] for name in names]),
    )
    return Actor(
        skeleton,
        np.stack([bones[name].axis for name in names]),
        tuple(bones[name].channels for name in names),
        metres,
    )
