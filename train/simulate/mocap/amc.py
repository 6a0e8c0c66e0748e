"""Acclaim motion files (AMC): the channels of an ASF skeleton over time."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from train.simulate.mocap.asf import Actor
from train.simulate.mocap.recording import Recording, accumulate, place
from train.simulate.mocap.source import MAX_FRAMES, Source
from train.simulate.movement.rotation import euler

Array = NDArray[np.float64]


def parse_amc(source: Source, actor: Actor, rate: float = 120.0) -> Recording:
    """Reads a take and works out each bone's turn in the world.

    With `C` a bone's own frame at rest (`axis`) and `M` the rotation of its channels, the first
    listed applied first: `G_bone = G_parent · C M C⁻¹`.

    Args:
        source: the file.
        actor: the skeleton it was recorded with.
        rate: frames a second, Hz; the format does not say (CMU: 120).

    Raises:
        MotionFileError: malformed, or made for another skeleton; names the file and the line.
    """
    body = iter(_body(source))
    radians = _header(source, body)
    values = _frames(source, body, actor)
    local = np.empty((len(values), len(actor.channels), 3, 3))
    start = 0
    rest = actor.skeleton
    steps = rest.heads - rest.heads[np.maximum(rest.parents, 0)]
    steps = np.broadcast_to(steps, (len(values), *steps.shape)).copy()
    for bone, channels in enumerate(actor.channels):
        part = values[:, start : start + len(channels)]
        start += len(channels)
        turns = [index for index, channel in enumerate(channels) if channel[0] == "r"]
        motion = euler([channels[index][1] for index in turns], part[:, turns] * radians)
        local[:, bone] = actor.axes[bone] @ motion @ actor.axes[bone].T
        for index, channel in enumerate(channels):
            if channel[0] == "t":
                steps[:, bone, "xyz".index(channel[1])] = part[:, index] * actor.metres
    world = accumulate(rest.parents, local)
    return Recording(source.name, rest, rate, world, place(rest.parents, world, steps))


def _body(source: Source) -> Iterator[tuple[int, list[str]]]:
    """The file's lines, then an empty one at its end so that the last frame is closed."""
    line = 1
    for line, words in source.lines():
        yield line, words
    yield line, []


def _header(source: Source, body: Iterator[tuple[int, list[str]]]) -> float:
    """Radians of one angle unit; stops after the unit's line, the last of the header."""
    specified = False
    for line, words in body:
        keyword = words[0].upper() if words else ""
        if keyword in (":DEGREES", ":RADIANS"):
            if not specified:
                source.fail(line, "want ':FULLY-SPECIFIED' before the angle unit")
            return 1.0 if keyword == ":RADIANS" else math.pi / 180
        if keyword == ":FULLY-SPECIFIED":
            specified = True
        elif not keyword.startswith(":"):
            source.fail(line, "want ':FULLY-SPECIFIED' and ':DEGREES'; is this an AMC file?")
    raise AssertionError("the body ends with an empty line")


def _frames(source: Source, body: Iterator[tuple[int, list[str]]], actor: Actor) -> Array:
    """`(t, channels)` values as written, bone after bone in the skeleton's order."""
    slots = _slots(actor)
    width = sum(len(channels) for channels in actor.channels)
    frames: list[list[float]] = []
    missing: set[str] = set()
    line = last = 0
    for line, words in body:
        if len(words) > 1:
            if not frames:
                source.fail(line, f"got {words[0]!r}, want a frame number first")
            start, count = _slot(source, line, words[0], slots, missing)
            frames[-1][start : start + count] = source.numbers(line, words[1:], count)
            missing.discard(words[0])
            continue
        if missing:
            source.fail(line, f"frame {last} ends without bone {min(missing)!r}")
        if words:
            number = source.integer(line, words[0], 0, 10**9)
            if frames and number != last + 1:
                source.fail(line, f"got frame {number}, want {last + 1}")
            if len(frames) == MAX_FRAMES:
                source.fail(line, f"more than {MAX_FRAMES} frames; cut the recording")
            last = number
            frames.append([0.0] * width)
            missing = set(slots)
    if not frames:
        source.fail(line, "the file has no frame")
    return np.array(frames)


def _slots(actor: Actor) -> dict[str, tuple[int, int]]:
    """Start and count of each bone's channels; bones without any have no lines."""
    slots, start = {}, 0
    for name, channels in zip(actor.skeleton.names, actor.channels, strict=True):
        if channels:
            slots[name] = (start, len(channels))
        start += len(channels)
    return slots


def _slot(
    source: Source, line: int, name: str, slots: dict[str, tuple[int, int]], missing: set[str]
) -> tuple[int, int]:
    if name not in slots:
        source.fail(line, f"bone {name!r} is not one of the skeleton's moving bones")
    if name not in missing:
        source.fail(line, f"bone {name!r} appears twice in one frame")
    return slots[name]
