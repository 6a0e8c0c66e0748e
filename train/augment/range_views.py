"""Range views as other LiDARs give them.

All functions take levels `(k, 64, 64)` int16 (0 farthest to 255 nearest, −1 empty), the frames of
all clips one after the other, and give such levels. What the projection does with a sparse cloud,
filling its raster's gaps from the nearest beam, is part of what is imitated.
"""

import torch
from torch import Tensor

from gait.modality import SIZE
from train.augment.draws import Draws
from train.augment.levels import EMPTY

FEWEST = 12
"""Pixels that a frame keeps at least; one with fewer stays as it was."""

LOWEST = 5.0
"""Rows on a person of the sparsest LiDAR."""


def stretch(levels: Tensor, draws: Draws) -> Tensor:
    """Wider or narrower, and not quite in the middle."""
    wide = draws.clip(-0.13, 0.13).exp()[:, None]
    aside = (draws.clip(-1.5, 1.5) + draws.frame(-0.7, 0.7))[:, None]
    middle = SIZE / 2
    source = middle + (_places(levels) - middle) * wide + aside
    return _taken(levels, source, 2)


def leave_ground(levels: Tensor, draws: Draws) -> Tensor:
    """The floor about the feet: a flat ring below, beside and behind, and depths squeezed by it."""
    own = draws.clips_with(0.25)
    share = 1 - own * draws.clip(0.02, 0.2)
    reach, above = draws.clip_log(0.3, 1.6), draws.clip(0.02, 0.2)
    places = _places(levels)
    person = _taken(levels, places / share[:, None], 1)
    person = _taken(person, SIZE / 2 + (places - SIZE / 2) / share[:, None], 2)
    feet = (SIZE * share)[:, None]
    near = (feet - places) / (SIZE * (1 - share)).clamp(min=1e-3)[:, None]
    away = (feet - places) / (SIZE * above)[:, None]
    along = torch.where(places >= feet, near, away)  # −1 nearest to +1 farthest of the ring
    half = (SIZE * (0.25 + 0.35 * reach))[:, None] * (1 - along.clamp(-1, 1) ** 2).sqrt()
    inside = (places - SIZE / 2).abs()[:, None, :] < half[:, :, None]
    floor = inside & (along.abs() <= 1)[:, :, None] & (draws.pixels() > 0.1)
    depth = 2 * reach[:, None]
    ground = (255 * (0.5 - along * reach[:, None] / depth)).clamp(0, 255)[:, :, None]
    body = 255 * (0.5 - 0.5 * (0.5 - person / 255) / depth[:, :, None]).clamp(0, 1)
    seen = torch.where(person != EMPTY, body, torch.where(floor, ground, float(EMPTY)))
    return torch.where(own[:, None, None], seen.round().to(levels.dtype), levels)


def coarsen(levels: Tensor, draws: Draws) -> Tensor:
    """Fewer beams and azimuth steps, at another place in every frame."""
    own = draws.clips_with(0.6)
    rows, columns = draws.clip_log(LOWEST, 64), draws.clip_log(LOWEST, 64)
    down, across = draws.frame(), draws.frame()
    coarse = _taken(levels, _cells(levels, rows, down), 1)
    coarse = _taken(coarse, _cells(levels, columns, across), 2)
    return _enough(torch.where(own[:, None, None], coarse, levels), levels)


def lose_points(levels: Tensor, draws: Draws) -> Tensor:
    """Returns that are lost, cell by cell of the sensor's raster."""
    lost = (draws.clip(0, 0.35) * draws.clips_with(0.5))[:, None, None]
    cells = draws.clip_log(12, 64)
    source = _cells(levels, cells, torch.zeros_like(cells)).long().clamp(0, SIZE - 1)
    gone = draws.pixels() < lost
    gone = gone.gather(1, source[:, :, None].expand(-1, -1, SIZE))
    gone = gone.gather(2, source[:, None, :].expand(-1, SIZE, -1))
    return _enough(levels.masked_fill(gone, EMPTY), levels)


def measure_badly(levels: Tensor, draws: Draws) -> Tensor:
    """Distances with noise, on a scale that some stray point has set."""
    noise = (draws.clip(0, 25) * draws.clips_with(0.5))[:, None, None]
    squeezed = torch.where(draws.clips_with(0.4), draws.clip(0.3, 1.0), 1.0)[:, None, None]
    start = 255 * (1 - squeezed) * draws.frame()[:, None, None]
    normal = torch.special.ndtri(draws.pixels().clamp(1e-6, 1 - 1e-6))
    measured = (levels + noise * normal).clamp(0, 255) * squeezed + start
    return torch.where(levels == EMPTY, levels, measured.round().to(levels.dtype))


def crop(levels: Tensor, draws: Draws) -> Tensor:  # noqa: ARG001
    """As the projection crops: the rows from the first filled to the last, at the full height."""
    rows = (levels != EMPTY).any(dim=2)
    some = rows.any(dim=1)
    top = torch.where(some, rows.float().argmax(dim=1), 0)[:, None]
    bottom = torch.where(some, SIZE - rows.flip(1).float().argmax(dim=1), SIZE)[:, None]
    return _taken(levels, top + _places(levels) * (bottom - top) / SIZE, 1)


ALL = (stretch, leave_ground, coarsen, lose_points, measure_badly, crop)
"""In the order in which they happen."""


def _places(levels: Tensor) -> Tensor:
    """`(1, 64)` the middles of the pixels along an axis."""
    return torch.arange(SIZE, device=levels.device)[None] + 0.5


def _cells(levels: Tensor, number: Tensor, phase: Tensor) -> Tensor:
    """`(k, 64)` for each pixel the middle of the coarser cell that it lies in."""
    step = (SIZE / number)[:, None]
    place = _places(levels) / step + phase[:, None]
    return ((place.floor() + 0.5 - phase[:, None]) * step).clamp(0.5, SIZE - 0.5)


def _taken(levels: Tensor, source: Tensor, axis: int) -> Tensor:
    """Rows (axis 1) or columns (2) from elsewhere, `(k, 64)`; empty where that is outside."""
    inside = (source >= 0) & (source < SIZE)
    index = source.long().clamp(0, SIZE - 1)
    if axis == 1:
        taken = levels.gather(1, index[:, :, None].expand(-1, -1, SIZE))
        return taken.masked_fill(~inside[:, :, None], EMPTY)
    taken = levels.gather(2, index[:, None, :].expand(-1, SIZE, -1))
    return taken.masked_fill(~inside[:, None, :], EMPTY)


def _enough(changed: Tensor, levels: Tensor) -> Tensor:
    some = (changed != EMPTY).sum(dim=(1, 2)) >= FEWEST
    return torch.where(some[:, None, None], changed, levels)
