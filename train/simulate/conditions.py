"""The eight conditions of SUSTech1K: what people wear and carry, and what stands before them."""

from dataclasses import replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from train.simulate.bodies import shapes
from train.simulate.bodies.body import FRAMES, RestBody, joints
from train.simulate.movement.motion import SEGMENTS, Motion
from train.simulate.movement.walking import hold

Array = NDArray[np.float32]


class Condition(StrEnum):
    """What differs from a plain walk."""

    NORMAL = "nm"
    BAG = "bg"
    CLOTHING = "cl"
    CARRYING = "cr"
    UMBRELLA = "ub"
    UNIFORM = "uf"
    OCCLUSION = "oc"
    NIGHT = "nt"


class Clothes(StrEnum):
    """How much the clothes of a plain walk vary."""

    USUAL = "usual"
    """Thin ones, unless the condition is another."""
    ANY = "any"
    """From tight to loose, with skirts, hats and hair; others on each walk."""
    OWN = "own"
    """As any, but each person's own on all walks, as on one day."""


_PARTS = {
    "trunk": ("lumbar", "thorax", "clavicle"),
    "hips": ("pelvis",),
    "arms": ("upper_arm", "forearm"),
    "thighs": ("thigh",),
    "shanks": ("shank",),
}


def dress(
    body: RestBody,
    motion: Motion,
    conditions: tuple[Condition, ...],
    rng: np.random.Generator,
    clothes: Clothes = Clothes.USUAL,
    wardrobe: np.random.Generator | None = None,
) -> tuple[RestBody, Motion]:
    """Applies all that is worn or carried.

    Args:
        body: undressed.
        motion: the walk without anything in the hands.
        conditions: those of the walk; occlusion and night are no matter of dress.
        rng: of this walk.
        clothes: what is worn where the condition does not say it.
        wardrobe: where that comes from if it is the person's own; None: from `rng`, so that nothing
            of it depends on who the person is.
    """
    if Condition.UNIFORM in conditions:
        body = wear_uniform(body)
    elif Condition.CLOTHING in conditions:
        body = wear_thick(body, rng)
    elif clothes != Clothes.USUAL:
        body = wear_any(body, wardrobe or rng)
    else:
        body = wear_light(body, wardrobe or rng)
    if Condition.BAG in conditions:
        body = take_bag(body, rng)
    if Condition.CARRYING in conditions:
        body, motion = carry_box(body, motion, rng)
    if Condition.UMBRELLA in conditions:
        body, motion = hold_umbrella(body, motion, rng)
    return body, motion


def wear(body: RestBody, thickness: dict[str, float]) -> RestBody:
    """Moves the skin outward by the `thickness`, metres, of each of the parts of the body."""
    per_frame = np.zeros(len(FRAMES), np.float32)
    for part, metres in thickness.items():
        for index, name in enumerate(SEGMENTS):
            if name.partition(".")[0] in _PARTS[part]:
                per_frame[index] = metres
    out = (body.weights @ per_frame)[:, None]
    return replace(body, points=body.points + out * body.normals)


def wear_light(body: RestBody, rng: np.random.Generator) -> RestBody:
    """Everyday clothes: up to 1.2 cm anywhere."""
    return wear(body, {part: rng.uniform(0, 0.012) for part in _PARTS})


def wear_any(body: RestBody, rng: np.random.Generator) -> RestBody:
    """Clothes up to 3 cm from the skin, some with a skirt or a coat, a hat or much hair."""
    loose = rng.uniform(0.005, 0.03)
    body = wear(body, {part: loose * rng.uniform(0.3, 1.2) for part in _PARTS})
    if rng.random() < 0.2:
        body = hang_skirt(body, rng.uniform(0.1, 0.7), rng.uniform(0.01, 0.1))
    if rng.random() < 0.35:
        body = cover_head(body, rng.uniform(0.01, 0.05), brim=bool(rng.random() < 0.3))
    return body


def wear_thick(body: RestBody, rng: np.random.Generator) -> RestBody:
    """A winter jacket or a coat of any length, trousers, at times a hood."""
    jacket = rng.uniform(0.025, 0.055)
    body = wear(
        body,
        {
            "trunk": jacket,
            "hips": jacket,
            "arms": 0.7 * jacket,
            "thighs": rng.uniform(0.005, 0.03),
            "shanks": rng.uniform(0.005, 0.035),
        },
    )
    if rng.random() < 0.75:
        body = hang_skirt(body, rng.uniform(0.15, 0.55), rng.uniform(0.01, 0.05))
    if rng.random() < 0.3:
        body = cover_head(body, 0.03, brim=False)
    return body


def wear_uniform(body: RestBody) -> RestBody:
    """The same overall, jacket tail and peaked cap for everybody."""
    thickness = {"trunk": 0.035, "hips": 0.03, "arms": 0.022, "thighs": 0.025, "shanks": 0.03}
    return cover_head(hang_skirt(wear(body, thickness), 0.18, 0.02), 0.015, brim=True)


def hang_skirt(body: RestBody, length: float, flare: float) -> RestBody:
    """The lower part of a coat: an elliptic tube from the waist down that the thighs push."""
    hips = body.points[body.weights[:, SEGMENTS.index("pelvis")] > 0.6]
    low, high = np.quantile(hips, (0.02, 0.98), axis=0)
    tube = shapes.rod(1.0, 1.0)
    keep = round(2 * np.pi * 0.2 * (0.15 + length) / shapes.SPACING**2)
    around, down = np.arctan2(tube[:keep, 1], tube[:keep, 0]), tube[:keep, 2]
    wider = 0.015 + flare * down
    x = (low[0] + high[0]) / 2 + ((high[0] - low[0]) / 2 + wider) * np.cos(around)
    y = ((high[1] - low[1]) / 2 + wider) * np.sin(around)
    z = body.heads[SEGMENTS.index("pelvis"), 2] + 0.1 - (0.15 + length) * down
    left = 0.5 + 0.5 * np.tanh(y / 0.05)
    weights = np.zeros((keep, len(FRAMES)), np.float32)
    pushed = np.clip(1.2 * down - 0.3, 0, 0.7)
    weights[:, SEGMENTS.index("pelvis")] = 1 - pushed
    weights[:, SEGMENTS.index("thigh.L")] = pushed * left
    weights[:, SEGMENTS.index("thigh.R")] = pushed * (1 - left)
    return body.add(np.stack([x, y, z], axis=1).astype(np.float32), weights)


def cover_head(body: RestBody, thickness: float, *, brim: bool) -> RestBody:
    """A hood, or a cap with a peak, over the upper half of the head."""
    low, high = _extent(body, "head")
    depth, width = (high - low)[:2] + 2 * thickness
    centre = np.array([(low[0] + high[0]) / 2, 0, high[2] - 0.12 + thickness], np.float32)
    cap = shapes.ellipsoid(depth, width, 0.24 + 2 * thickness, 0.05 if brim else -0.6) + centre
    if brim:
        peak = shapes.ellipsoid(0.15, 0.15, 0.02)
        peak = peak + centre + np.array([depth / 2, 0, 0.02])
        cap = np.concatenate([cap, peak])
    offsets = shapes.mixed(cap) - body.heads[SEGMENTS.index("head")]
    return body.attach(offsets, "head")


def take_bag(body: RestBody, rng: np.random.Generator) -> RestBody:
    """A backpack, a bag at the hip or one in a hand."""
    kind = rng.choice(["back", "hip", "hand"])
    side = rng.choice([-1, 1])
    if kind == "back":
        depth, width, height = rng.uniform((0.12, 0.26, 0.36), (0.24, 0.36, 0.55))
        low, _ = _extent(body, "thorax")
        middle = body.heads[SEGMENTS.index("thorax")]
        offset = [low[0] - middle[0] - 0.4 * depth, 0, rng.uniform(0.0, 0.1)]
        return body.attach(_bag(depth, width, height, offset), "thorax")
    depth, width, height = rng.uniform((0.26, 0.10, 0.20), (0.42, 0.18, 0.36))
    if kind == "hip":
        low, high = _extent(body, "pelvis")
        offset = [-0.03, side * ((high[1] - low[1]) / 2 + 0.5 * width), rng.uniform(-0.1, 0.02)]
        return body.attach(_bag(depth, width, height, offset), "pelvis")
    offset = [0.02, 0, -0.16 - height / 2]
    frame = "hanging.L" if side > 0 else "hanging.R"
    return body.attach(_bag(depth, width, height, offset), frame)


def carry_box(body: RestBody, motion: Motion, rng: np.random.Generator) -> tuple[RestBody, Motion]:
    """A box before the belly, both forearms under it."""
    elbow, flexion = rng.uniform(65, 90), rng.uniform(5, 25)
    for side in "LR":
        motion = hold(motion, side, flexion, 6, elbow)
    depth, width, height = rng.uniform((0.24, 0.30, 0.18), (0.40, 0.48, 0.40))
    where = joints(body, motion)
    hands = where[:, [SEGMENTS.index("hand.L"), SEGMENTS.index("hand.R")]].mean(axis=1)
    thorax = SEGMENTS.index("thorax")
    away = np.einsum("tji,tj->ti", motion.rotations[:, thorax], hands - where[:, thorax])
    _, front = _extent(body, "lumbar")
    offset = away.mean(axis=0) + np.array([0, 0, height / 2 - 0.06])
    offset[0] = front[0] - body.heads[thorax, 0] + depth / 2 + 0.02
    points = shapes.box(depth, width, height) + offset
    return body.attach(points.astype(np.float32), "thorax"), motion


def hold_umbrella(
    body: RestBody, motion: Motion, rng: np.random.Generator
) -> tuple[RestBody, Motion]:
    """An open umbrella in one hand, low enough to come over the head."""
    side = str(rng.choice(["L", "R"]))
    motion = hold(motion, side, rng.uniform(15, 35), 8, rng.uniform(100, 120))
    where = joints(body, motion).mean(axis=0)
    hand = where[SEGMENTS.index(f"hand.{side}")]
    _, highest = _extent(body, "head")
    head = SEGMENTS.index("head")
    crown = where[head] + np.array([0, 0, highest[2] - body.heads[head, 2]])
    radius, rise = rng.uniform(0.45, 0.6), rng.uniform(0.16, 0.24)
    rim = crown - hand + np.array([0.02, 0, -rng.uniform(0.03, 0.14)])
    roof = shapes.canopy(radius, rise) + rim
    shaft = shapes.rod(1.0, 0.012)
    top = rim + np.array([0, 0, rise])
    shaft = shaft * [1, 1, 0] + (1.15 * shaft[:, 2:] - 0.15) * top
    points = shapes.mixed(np.concatenate([roof, shaft]).astype(np.float32))
    return body.attach(points, f"hanging.{side}"), motion


def _bag(depth: float, width: float, height: float, centre: list[float]) -> Array:
    return shapes.box(depth, width, height, roundness=0.4) + np.array(centre, np.float32)


def _extent(body: RestBody, segment: str) -> tuple[Array, Array]:
    """Lowest and highest coordinates of a segment's own points."""
    own = body.points[body.weights[:, SEGMENTS.index(segment)] > 0.6]
    return own.min(axis=0), own.max(axis=0)
