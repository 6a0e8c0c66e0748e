from dataclasses import replace

import numpy as np
import pytest

from train.simulate.bodies.body import FRAMES, RestBody, joints, pose, rest_body, stretch
from train.simulate.bodies.capsules import capsule_basis
from train.simulate.identity import average_shape
from train.simulate.movement.gait_curves import average_style
from train.simulate.movement.motion import REFERENCE, SEGMENTS, Motion
from train.simulate.movement.walking import about_x, about_y, walk

LIMBS = {"upper_arm": "forearm", "forearm": "hand", "thigh": "shank", "shank": "foot"}


@pytest.fixture(scope="module")
def body() -> RestBody:
    return capsule_basis().shape(*average_shape(3))


@pytest.fixture(scope="module")
def splayed(body: RestBody) -> RestBody:
    """The same person modelled with arms and legs apart."""
    points, heads = body.points.copy(), body.heads[:21].copy()
    hands = body.heads[:2].copy()
    for root, angle in (("upper_arm", 0.8), ("thigh", 0.25)):
        for side, out in (("L", 1), ("R", -1)):
            start = SEGMENTS.index(f"{root}.{side}")
            last = start + (3 if root == "upper_arm" else 4)
            turn = about_x(np.array([out * angle]))[0].astype(np.float32)
            pivot = heads[start].copy()
            chosen = body.weights[:, start:last].sum(axis=1) > 0.5
            points[chosen] = (points[chosen] - pivot) @ turn.T + pivot
            heads[start:last] = (heads[start:last] - pivot) @ turn.T + pivot
            if root == "upper_arm":
                tip = body.heads[last - 1] + [0, 0, -0.1]
                hands["LR".index(side)] = turn @ (tip - pivot) + pivot
    return rest_body(points, body.normals, body.weights[:, :21], heads, hands)


def still(frames: int = 1) -> Motion:
    rotations = np.tile(np.eye(3), (frames, 21, 1, 1))
    return Motion(10.0, rotations, np.zeros((frames, 3)), 0.0, {})


def walking(body: RestBody) -> Motion:
    rng = np.random.default_rng(3)
    return walk(average_style(), rng, frames=12, rate=10, leg_length=body.leg_length)


def test_without_rotation_limbs_point_as_in_the_reference_stance(splayed: RestBody) -> None:
    where = joints(splayed, still())[0]
    for kind, child in LIMBS.items():
        for side in "LR":
            along = where[FRAMES.index(f"{child}.{side}")] - where[FRAMES.index(f"{kind}.{side}")]
            np.testing.assert_allclose(along / np.linalg.norm(along), REFERENCE[kind], atol=1e-5)


def test_posing_a_splayed_model_gives_the_upright_person(body: RestBody, splayed: RestBody) -> None:
    upright, modelled = pose(body, still()), pose(splayed, still())
    rigid = body.weights[:, SEGMENTS.index("foot.L")] + body.weights[:, SEGMENTS.index("toes.L")]
    np.testing.assert_allclose(modelled[:, :, rigid == 0], upright[:, :, rigid == 0], atol=2e-2)


def test_blending_matches_a_loop_over_points(body: RestBody) -> None:
    mixed = np.random.default_rng(0).dirichlet(np.full(len(FRAMES), 0.2), len(body.points))
    body = replace(body, weights=mixed.astype(np.float32)).thin(0.01)
    motion = walking(body)
    turns = np.concatenate([motion.rotations, np.tile(np.eye(3), (12, 2, 1, 1))], axis=1)
    turns = turns @ body.align
    heads, posed = joints(body, motion), pose(body, motion)

    def blended(t: int, v: int) -> np.ndarray:
        point = np.zeros(3)
        for f in range(len(FRAMES)):
            moved = turns[t, f] @ (body.points[v] - body.heads[f]) + heads[t, f]
            point += body.weights[v, f] * moved
        return point

    for t in (0, 7):
        for v in range(1, len(body.points), 5):
            # Up to the ground's height, which is the same for all points of a frame.
            got = posed[t, :, v] - posed[t, :, 0]
            np.testing.assert_allclose(got, blended(t, v) - blended(t, 0), atol=1e-5)


def test_the_lower_foot_is_on_the_ground_in_every_frame(body: RestBody) -> None:
    posed = pose(body, walking(body))
    feet = body.weights[:, [SEGMENTS.index(n) for n in SEGMENTS if n[:4] in ("foot", "toes")]]
    height = posed[:, 2][:, feet.sum(axis=1) > 0.5].min(axis=1)
    np.testing.assert_allclose(height, 0, atol=1e-6)


def test_what_hangs_from_a_hand_stays_upright_below_it(body: RestBody) -> None:
    bag = np.array([[0, 0, -0.2], [0, 0, -0.5]], np.float32)
    carrying = body.attach(bag, "hanging.L")
    motion = walking(body)
    turned = replace(motion, rotations=motion.rotations @ about_y(np.full(12, 0.3))[:, None])
    posed = pose(carrying, turned)[:, :, -2:]
    np.testing.assert_allclose(posed[..., 0] - posed[..., 1], [[0, 0, 0.3]] * 12, atol=1e-5)


def test_attached_points_are_rigid(splayed: RestBody) -> None:
    load = np.array([[0.1, 0, 0], [0, 0, -0.2]], np.float32)
    posed = pose(splayed.attach(load, "forearm.R"), walking(splayed))[:, :, -2:]
    length = np.linalg.norm(posed[..., 0] - posed[..., 1], axis=1)
    np.testing.assert_allclose(length, np.hypot(0.1, 0.2), atol=1e-5)


def test_stretching_gives_the_measured_lengths(splayed: RestBody) -> None:
    lengths = {"thigh.L": 0.5, "shank.L": 0.3, "forearm.R": 0.35}
    where = joints(stretch(splayed, lengths), walking(splayed))
    for name, length in lengths.items():
        kind, side = name.split(".")
        start, end = FRAMES.index(name), FRAMES.index(f"{LIMBS[kind]}.{side}")
        got = np.linalg.norm(where[:, end] - where[:, start], axis=1)
        np.testing.assert_allclose(got, length, atol=1e-5)


def test_thinning_keeps_a_share_of_body_and_load(body: RestBody) -> None:
    load = np.random.default_rng(0).random((1000, 3)).astype(np.float32)
    thin = body.attach(load, "thorax").thin(0.25)
    assert len(thin.points) == pytest.approx(len(body.points) / 4 + 250, abs=3)
    assert (thin.weights[:, SEGMENTS.index("thorax")] == 1).sum() > 250
