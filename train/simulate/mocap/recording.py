"""What every motion file comes down to: a skeleton at rest and its bones' turns over time."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Skeleton:
    """Bones at rest, in the file's own axes.

    Args:
        names: of the bones; the first is the root. Parents come before their children.
        parents: index of each bone's parent; -1 for the root.
        heads: `(b, 3)` metres, where each bone starts and turns.
        tails: `(b, 3)` metres, where each bone ends.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    heads: Array
    tails: Array


@dataclass(frozen=True)
class Recording:
    """One take.

    Args:
        name: of the file, for messages.
        skeleton: the bones at rest.
        rate: frames a second, Hz.
        rotations: `(t, b, 3, 3)` each bone's turn from the rest pose, in the world: a bone that
            points along `d` at rest points along `rotations[t, b] @ d` in frame `t`.
        joints: `(t, b, 3)` metres, where each bone starts in the world.
    """

    name: str
    skeleton: Skeleton
    rate: float
    rotations: Array
    joints: Array

    def scaled(self, metres: float) -> "Recording":
        """The same with `metres` to the unit."""
        rest = self.skeleton
        scaled = replace(rest, heads=rest.heads * metres, tails=rest.tails * metres)
        return replace(self, skeleton=scaled, joints=self.joints * metres)


def accumulate(parents: tuple[int, ...], local: Array) -> Array:
    """World rotations from each bone's turn relative to its parent: `G_b = G_parent(b) L_b`.

    Args:
        parents: index of each bone's parent, before the bone; -1 for the root.
        local: `(t, b, 3, 3)`.

    Returns:
        `(t, b, 3, 3)`.
    """
    world = np.empty_like(local)
    for bone, parent in enumerate(parents):
        world[:, bone] = local[:, bone] if parent < 0 else world[:, parent] @ local[:, bone]
    return world


def place(parents: tuple[int, ...], world: Array, steps: Array) -> Array:
    """Where bones start: `p_b = p_parent(b) + G_parent(b) s_b`.

    Args:
        parents: index of each bone's parent, before the bone; -1 for the root.
        world: `(t, b, 3, 3)` as `accumulate` returns it.
        steps: `(t, b, 3)` from the start of each bone's parent to its own, in the parent's axes;
            the root's is its place in the world.

    Returns:
        `(t, b, 3)`.
    """
    joints = np.empty_like(steps)
    for bone, parent in enumerate(parents):
        joints[:, bone] = steps[:, bone]
        if parent >= 0:
            joints[:, bone] = (
                joints[:, parent] + (world[:, parent] @ steps[:, bone, :, None])[..., 0]
            )
    return joints
