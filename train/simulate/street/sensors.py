"""What a camera and a 64-beam LiDAR see of the simulated street."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from train.simulate.movement.motion import SEGMENTS
from train.simulate.street.walkers import HEIGHT, Present

Picture = NDArray[np.uint8]
Points = NDArray[np.float32]

WIDTH, HEIGHT_PX, FOCAL = 960, 540, 620.0
"""Of the camera, pixels; it looks along the LiDAR's x axis."""

CAMERA_AT = np.array([0.05, 0.12, -0.25])
"""Of the camera in the LiDAR's frame, metres."""

BEAMS = np.radians(np.linspace(-24.0, 4.0, 64))
"""Elevations of the beams."""

_AZIMUTHS = np.radians(np.arange(-52.0, 52.0, 0.2))
_NOISE = 0.02
_LOST = 0.03
_WALL, _FAR = 22.0, 60.0
_POSTS = ((7.0, 4.5, 0.08), (15.5, -3.0, 0.15), (16.0, 2.5, 0.15))
"""Metres ahead and to the left, and radius: what stands on the street."""

_SPLAT = 0.02
"""Metres of surface that a point stands for."""


@dataclass(frozen=True, eq=False)
class Lidar:
    """64 beams over 104°, with what never moves: the ground, a wall and posts."""

    static: NDArray[np.float64]

    def scan(self, people: list[Present], rng: np.random.Generator) -> Points:
        """`(k, 3)` points of one turn, metres."""
        image = self.static.copy()
        for each in people:
            np.minimum(image, _range_image(each.points), out=image)
        hit = np.isfinite(image) & (rng.random(image.shape) > _LOST)
        distance = image[hit] + _NOISE * rng.standard_normal(int(hit.sum()))
        directions = _directions()[hit]
        return np.asarray(directions * distance[:, None], np.float32)


def open_lidar() -> Lidar:
    """The LiDAR of the street."""
    directions = _directions()
    with np.errstate(divide="ignore"):
        ground = np.where(directions[..., 2] < 0, -HEIGHT / directions[..., 2], np.inf)
        wall = _WALL / directions[..., 0]
    static = np.minimum(ground, wall)
    for x, y, radius in _POSTS:
        across = directions[..., 0] * y - directions[..., 1] * x
        level = np.hypot(directions[..., 0], directions[..., 1])
        away = np.hypot(x, y) / level
        post = np.where(np.abs(across) / level < radius, away - radius, np.inf)
        static = np.minimum(static, post)
    return Lidar(np.where(static < _FAR, static, np.inf))


def _directions() -> NDArray[np.float64]:
    """`(64, n, 3)` unit vectors."""
    level = np.cos(BEAMS)[:, None]
    return np.stack(
        [
            level * np.cos(_AZIMUTHS),
            level * np.sin(_AZIMUTHS),
            np.repeat(np.sin(BEAMS)[:, None], len(_AZIMUTHS), axis=1),
        ],
        axis=2,
    )


def _range_image(points: Points) -> NDArray[np.float64]:
    """Distance of one person in each direction; infinite where they are not."""
    x, y, z = points.astype(np.float64)
    distance = np.sqrt(x**2 + y**2 + z**2)
    rows = np.rint((np.arctan2(z, np.hypot(x, y)) - BEAMS[0]) / (BEAMS[1] - BEAMS[0])).astype(int)
    step = _AZIMUTHS[1] - _AZIMUTHS[0]
    columns = np.rint((np.arctan2(y, x) - _AZIMUTHS[0]) / step).astype(int)
    inside = (rows >= 0) & (rows < len(BEAMS)) & (columns >= 0) & (columns < len(_AZIMUTHS))
    image = np.full((len(BEAMS), len(_AZIMUTHS)), np.inf, np.float32)
    np.minimum.at(image, (rows[inside], columns[inside]), distance[inside])
    # Surface points leave holes, through which nothing behind may show.
    box = np.ones((3, 3), np.uint8)
    return np.asarray(cv2.dilate(cv2.erode(image, box), box), np.float64)


@dataclass(frozen=True, eq=False)
class Camera:
    """A colour camera.

    Args:
        empty: the picture without people.
    """

    empty: Picture

    def photograph(
        self, people: list[Present], rng: np.random.Generator
    ) -> tuple[Picture, list[tuple[float, float, float, float] | None], list[float]]:
        """A picture, the box of each person, and how much of each is seen.

        Boxes are around all of a person in the picture, hidden or not; None if outside.
        """
        picture = self.empty.copy()
        owner = np.full(picture.shape[:2], -1, np.int32)
        boxes = [_box(each.points) for each in people]
        drawn = np.zeros(len(people))
        order = sorted(range(len(people)), key=lambda row: -float(np.hypot(*people[row].feet)))
        for row in order:
            mask = _draw(people[row], picture)
            owner[mask] = row
            drawn[row] = np.count_nonzero(mask)
        seen = [float((owner == row).sum() / max(drawn[row], 1)) for row in range(len(people))]
        noise = rng.normal(0, 2.0, picture.shape)
        return np.clip(picture + noise, 0, 255).astype(np.uint8), boxes, seen


def open_camera(rng: np.random.Generator) -> Camera:
    """The camera of the street: paving below the wall, and a pale sky."""
    rows = np.arange(HEIGHT_PX)[:, None] - HEIGHT_PX / 2
    down = np.maximum(rows, 1) / FOCAL
    away = (HEIGHT + CAMERA_AT[2]) / down
    horizon = HEIGHT_PX / 2 + FOCAL * (HEIGHT + CAMERA_AT[2]) / _WALL
    columns = np.arange(WIDTH)[None] - WIDTH / 2
    tiles = ((np.floor(away * 1.2) + np.floor(columns * away / FOCAL * 1.2)) % 2) * 10
    shade = np.where(rows + HEIGHT_PX / 2 > horizon, 128 + tiles, 168 + 12 * np.sin(columns / 40))
    grain = cv2.GaussianBlur(rng.normal(0, 18, (HEIGHT_PX, WIDTH)).astype(np.float32), (0, 0), 1.5)
    grey = np.clip(shade + grain, 0, 255)
    tinted = np.stack([grey * 0.95, grey, grey * 1.03], axis=2)
    return Camera(np.clip(tinted, 0, 255).astype(np.uint8))


def project(points: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pixels `(k, 2)` and depth `(k,)` of `(k, 3)` points in the LiDAR's frame."""
    seen = points.astype(np.float64) - CAMERA_AT
    depth = seen[:, 0]
    u = WIDTH / 2 - FOCAL * seen[:, 1] / depth
    v = HEIGHT_PX / 2 - FOCAL * seen[:, 2] / depth
    return np.stack([u, v], axis=1), depth


def _box(points: Points) -> tuple[float, float, float, float] | None:
    at, _ = project(points.T)
    low, high = at.min(axis=0), at.max(axis=0)
    low, high = np.maximum(low, 0), np.minimum(high, [WIDTH, HEIGHT_PX])
    if (high - low < 2).any():
        return None
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _draw(person: Present, picture: Picture) -> NDArray[np.bool_]:
    """Draws a person over what is farther away; returns where."""
    at, depth = project(person.points.T)
    order = np.argsort(-depth)
    at, depth, parts = at[order], depth[order], person.parts[order]
    colours = _clothes(person.person)[parts]
    image = np.full(picture.shape[:2], np.inf, np.float32)
    shown = np.zeros_like(picture)
    reach = max(1, int(np.ceil(FOCAL * _SPLAT / float(depth.min()) / 2)))
    for dv in range(-reach, reach + 1):
        for du in range(-reach, reach + 1):
            u, v = np.rint(at[:, 0]).astype(int) + du, np.rint(at[:, 1]).astype(int) + dv
            inside = (u >= 0) & (u < WIDTH) & (v >= 0) & (v < HEIGHT_PX)
            u, v, near, colour = u[inside], v[inside], depth[inside], colours[inside]
            closer = near <= image[v, u]
            image[v[closer], u[closer]] = near[closer]
            shown[v[closer], u[closer]] = colour[closer]
    mask = np.isfinite(image)
    if not mask.any():
        return mask
    picture[mask] = (shown[mask] * _shade(image, mask)[mask][:, None]).astype(np.uint8)
    return mask


def _shade(depth: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Light from above and from the left, by the slope of the surface."""
    filled = np.where(mask, depth, depth[mask].max() + 0.3).astype(np.float32)
    smooth = cv2.GaussianBlur(filled, (0, 0), 2)
    metres = smooth / FOCAL
    slope_x = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8) / metres
    slope_y = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8) / metres
    light = (1 + 0.4 * slope_x - 0.7 * slope_y) / np.sqrt(1 + slope_x**2 + slope_y**2)
    return np.asarray(np.clip(0.35 + 0.6 * light, 0.25, 1.15), np.float32)


def _clothes(person: int) -> NDArray[np.float64]:
    """`(frames, 3)` BGR of each segment of the body: shirt, trousers, skin, hair and shoes."""
    rng = np.random.default_rng([person, 7])
    shirt, trousers = rng.uniform(30, 220, 3), rng.uniform(25, 140, 3)
    skin = np.array([110.0, 140.0, 200.0]) * rng.uniform(0.5, 1.15)
    shoes = np.full(3, rng.uniform(20, 90))
    colours = np.tile(shirt, (len(SEGMENTS) + 2, 1))
    for index, name in enumerate(SEGMENTS):
        kind = name.partition(".")[0]
        if kind in ("pelvis", "thigh", "shank"):
            colours[index] = trousers
        elif kind in ("head", "neck", "hand"):
            colours[index] = skin
        elif kind in ("foot", "toes"):
            colours[index] = shoes
    return np.clip(colours, 0, 255)
