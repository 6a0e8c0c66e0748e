"""Silhouettes as other cameras and segmenters give them.

All functions take frames `(k, 1, 64, 64)` float32 in 0..1, the frames of all clips one after the
other, and give such frames; `draws` say what happens to which clip.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from gait.modality import SIZE
from train.augment.draws import Draws

LIT = 0.5
"""From here on a pixel is the person's."""

LOWEST = 12.0
"""Rows of the coarsest segmenter: a leg is about a pixel wide."""


def turn(x: Tensor, draws: Draws) -> Tensor:
    """Wider or narrower, rolled and sheared: another camera's place."""
    wide = draws.clip(-0.16, 0.16).exp()
    roll, shear = draws.clip(-0.07, 0.07), draws.clip(-0.08, 0.08)
    theta = x.new_zeros(len(x), 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = wide * roll.cos(), shear - roll.sin()
    theta[:, 1, 0], theta[:, 1, 1] = roll.sin(), roll.cos()
    return _warped(x, theta)


def grow(x: Tensor, draws: Draws) -> Tensor:
    """A pixel more or less all around: another threshold."""
    kind = draws.clip()[:, None, None, None]
    fatter, thinner = F.max_pool2d(x, 3, 1, 1), -F.max_pool2d(-x, 3, 1, 1)
    return torch.where(kind < 0.2, fatter, torch.where(kind > 0.8, thinner, x))


def fray(x: Tensor, draws: Draws) -> Tensor:
    """A ragged border: a field of noise decides where the blurred mask leaves doubt."""
    strength = (draws.clip(0.05, 0.45) * draws.clips_with(0.6))[:, None, None, None]
    blurred = _blurred(x)
    doubt = (4 * blurred * (1 - blurred)).clamp(0, 1)
    frayed = ((blurred + strength * doubt * draws.field(3)) > LIT).to(x.dtype)
    return torch.where(strength > 0, frayed, x)


def pierce(x: Tensor, draws: Draws) -> Tensor:
    """Holes that stay about where they are and flicker, more of them in the legs."""
    own = draws.clips_with(0.5)
    for _ in range(2):
        row = draws.clip(8, 64) + draws.frame(-2, 2)
        column = draws.clip(22, 42) + draws.frame(-3, 3)
        hole = _ellipse(row, column, draws.frame_log(1, 6), draws.frame_log(1, 7))
        x = x * ~(hole & (own & draws.frames_with(0.6))[:, None, None])[:, None]
    return x


def lose_strip(x: Tensor, draws: Draws) -> Tensor:
    """Rows that are missing in some frames: a belt, a pole, a broken line."""
    own = draws.clips_with(0.15) & draws.frames_with(0.6)
    first = draws.frame(0, 62)
    last = first + draws.frame_log(1, 5)
    rows = _places(x)[None]
    strip = (rows >= first[:, None]) & (rows < last[:, None]) & own[:, None]
    return x * ~strip[:, None, :, None]


def cut(x: Tensor, draws: Draws) -> Tensor:
    """Feet or the top of the head are not in the picture."""
    below = draws.clips_with(0.12) * draws.clip(0, 8)
    above = draws.clips_with(0.1) * draws.clip(0, 5)
    rows = _places(x)[None]
    inside = (rows < (SIZE - below)[:, None]) & (rows >= above[:, None])
    return x * inside[:, None, :, None]


def cast_shadow(x: Tensor, draws: Draws) -> Tensor:
    """A strip beside the feet: shadows and reflections that are taken for the person."""
    own = draws.clips_with(0.25) & draws.frames_with(0.8)
    middle = SIZE / 2 + draws.clip(-16, 16) + draws.frame(-2, 2)
    high = draws.clip_log(1, 5) * draws.frame_log(0.7, 1.4)
    wide, lift = draws.clip_log(5, 22), draws.clip(-3, 1)
    places = _places(x)[None]
    rows = (places >= (SIZE - high + lift)[:, None]) & (places < (SIZE + lift)[:, None])
    columns = (places - middle[:, None]).abs() < wide[:, None]
    strip = rows[:, :, None] & columns[:, None, :] & own[:, None, None]
    return torch.where(strip[:, None], torch.ones_like(x), x)


def add_specks(x: Tensor, draws: Draws) -> Tensor:
    """A blob that touches or almost touches the person: a bag, a neighbour's arm, leaves."""
    own = draws.clips_with(0.15) & draws.frames_with(0.7)
    row, side = draws.clip(10, 58), torch.where(draws.clips_with(0.5), -1.0, 1.0)
    column = SIZE / 2 + side * draws.clip(6, 16) + draws.frame(-1.5, 1.5)
    blob = _ellipse(row, column, draws.clip_log(1, 9), draws.clip_log(1, 5)) & own[:, None, None]
    return torch.where(blob[:, None], torch.ones_like(x), x)


def coarsen(x: Tensor, draws: Draws) -> Tensor:
    """A segmenter with fewer rows and another threshold, blown up again.

    Most decide cell by cell, as distant cameras do, and decoding blends what they decided
    (`gait.crop.fit`). The others enlarge what they believe and decide then.
    """
    own = draws.clips_with(0.6)
    rows, threshold = draws.clip_log(LOWEST, 52), draws.clip(0.3, 0.7)[:, None, None, None]
    cell = (SIZE / rows)[:, None]
    places = _places(x)[None] + 0.5
    around = places - cell / 2
    decided = (_mean(x, around, around, cell) > threshold).to(x.dtype)
    blended = torch.zeros_like(x)
    down, across = (_cells(places, cell, draws.frame()[:, None]) for _ in range(2))
    for top, height in down:
        for left, width in across:
            lit = _mean(x, top, left, cell) > threshold
            blended += lit * (height[:, :, None] * width[:, None, :])[:, None]
    coarse = torch.where(draws.clips_with(0.6)[:, None, None, None], blended, decided)
    return torch.where(own[:, None, None, None], coarse, x)


def realign(x: Tensor, draws: Draws) -> Tensor:
    """As decoding aligns: the person's rows to the full height, the middle of the mass centred.

    What is left of an error of that: a shift of a pixel or two, a height a few percent off.
    """
    lit = x[:, 0] >= LIT
    rows = lit.any(dim=2)
    some = rows.any(dim=1)
    top = torch.where(some, rows.to(x.dtype).argmax(dim=1), 0)
    bottom = torch.where(some, SIZE - rows.flip(1).to(x.dtype).argmax(dim=1), SIZE)
    mass = lit.sum(dim=1).cumsum(dim=1)
    column = (2 * mass < mass[:, -1:]).sum(dim=1).clamp(max=SIZE - 1) + 0.5
    column = torch.where(some, column, torch.full_like(column, SIZE / 2))
    high = ((bottom - top) / SIZE).clamp(min=0.2) * draws.clip(-0.03, 0.03).exp()
    theta = x.new_zeros(len(x), 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = high
    aside = draws.clip(-1.5, 1.5) + draws.frame(-0.7, 0.7)
    theta[:, 0, 2] = (column + aside) / (SIZE / 2) - 1
    theta[:, 1, 2] = (top + bottom + draws.clip(-1.5, 1.5)) / SIZE - 1
    return _warped(x, theta)


ALL = (turn, grow, fray, pierce, lose_strip, cut, cast_shadow, add_specks, coarsen, realign)
"""In the order in which they happen."""


def _places(x: Tensor) -> Tensor:
    return torch.arange(SIZE, device=x.device, dtype=x.dtype)


def _warped(x: Tensor, theta: Tensor) -> Tensor:
    grid = F.affine_grid(theta, [len(x), 1, SIZE, SIZE], align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _blurred(x: Tensor) -> Tensor:
    weights = x.new_tensor([1, 4, 6, 4, 1]) / 16
    rows = F.conv2d(x, weights.view(1, 1, 5, 1), padding=(2, 0))
    return F.conv2d(rows, weights.view(1, 1, 1, 5), padding=(0, 2))


def _cells(places: Tensor, cell: Tensor, phase: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The two cells whose middles a pixel lies between: where they begin, and their shares."""
    place = places / cell + phase - 0.5
    first = place.floor()
    share = place - first
    return [((first - phase) * cell, 1 - share), ((first + 1 - phase) * cell, share)]


def _mean(x: Tensor, top: Tensor, left: Tensor, side: Tensor) -> Tensor:
    """The mean over squares, one a pixel: by summed areas. Beyond the picture nothing is lit.

    Args:
        x: frames.
        top, left: `(k, 64)` where the squares of a row and of a column begin, pixels.
        side: `(k, 1)` of the squares.
    """
    summed = F.pad(x[:, 0], (1, 0, 1, 0)).cumsum(dim=1).cumsum(dim=2)
    for axis, start in ((1, top), (2, left)):
        low, high = start.clamp(0, SIZE), (start + side).clamp(0, SIZE)
        summed = _between(summed, high, axis) - _between(summed, low, axis)
    return (summed / side[:, :, None] ** 2)[:, None]


def _between(summed: Tensor, at: Tensor, axis: int) -> Tensor:
    """Values of `(k, h, w)` at fractional places `(k, 64)` along an axis, linear between."""
    below = at.floor().long().clamp(max=summed.shape[axis] - 2)
    share = at - below
    shape = (-1, SIZE, 1) if axis == 1 else (-1, 1, SIZE)
    size = (-1, -1, summed.shape[2]) if axis == 1 else (-1, summed.shape[1], -1)
    first = summed.gather(axis, below.view(shape).expand(size))
    second = summed.gather(axis, (below + 1).view(shape).expand(size))
    return first + share.view(shape) * (second - first)


def _ellipse(row: Tensor, column: Tensor, high: Tensor, wide: Tensor) -> Tensor:
    """`(k, 64, 64)` bool inside an ellipse of each frame."""
    places = torch.arange(SIZE, device=row.device, dtype=row.dtype)
    up = (places[None] - row[:, None]) / high[:, None]
    aside = (places[None] - column[:, None]) / wide[:, None]
    return up[:, :, None] ** 2 + aside[:, None, :] ** 2 < 1
