"""What is wrong with a clip, by its aligned frames."""

import numpy as np
from numpy.typing import NDArray

from gait.clip import Clip
from gait.modality import Modality
from gait.quality.quality import Quality, Reason
from gait.quality.ramp import Ramp, ramp
from gait.quality.shape import GRID, Cells, cells_of, load_shapes, rows_of
from gait.range_view import JET
from gait.sampling import evenly
from gait.silhouette import FOREGROUND

LOOKED_AT = 32
"""Consecutive frames, from the middle of a clip, that are looked at."""

COLOURS = 4
"""Frames whose colours are looked at."""

_DARK = 64
"""Of 255: pixels whose brightest channel is less have no hue to speak of."""

ENOUGH_FRAMES = 10

Lit = NDArray[np.bool_]
# Each lies beyond what 99.9 % of simulated walkers show (`python -m bench.quality` measures it).
_CORNERS: Ramp = (0.1, 0.6)
GREY: Ramp = (0.50, 0.75)
_OFF_PALETTE: Ramp = (25.0, 70.0)
_STILL: Ramp = (0.08, 0.045)
_RUNS: dict[Modality, Ramp] = {Modality.SILHOUETTE: (1.8, 4.0), Modality.RANGE_VIEW: (3.0, 6.0)}
_GRAIN = 8.0
"""Stretches in a row from which on it is noise, be it grey or not."""

_POINTS: Ramp = (0.06, 0.02)
_FEET: Ramp = (1.35, 2.6)
_TWO: Ramp = (0.25, 0.9)
_SHAPE: Ramp = (1.15, 1.5)
_TURNED: Ramp = (1.1, 1.6)

_UNDER_ONE_CYCLE = 0.4
_RETURNED = 0.75


def judge_clip(clip: Clip, *, shades: bool = True) -> Quality:
    """The quality of aligned frames, whatever they came from.

    Args:
        clip: any; frames far from each other in time look like a poor walk.
        shades: whether shades that no mask and no range view has are a photograph's. Small masks
            turn grey when they are enlarged: of those their own pictures tell it
            (`gait.quality.source`). Frames that were drawn from points are none.
    """
    clip = _middle(clip)
    lit = lit_of(clip)
    cells, runs = cells_of(lit), _runs(lit)
    severity = {
        Reason.TOO_FEW_FRAMES: ramp(len(clip), (ENOUGH_FRAMES, 1)),
        Reason.INVERTED: _inverted(lit),
        Reason.PHOTOGRAPH: _photograph(clip) if shades and runs < _GRAIN else 0.0,
        Reason.NOISE: ramp(runs, _RUNS[clip.modality]),
        Reason.SEVERAL_PEOPLE: ramp(_apart(cells), _TWO),
        Reason.GROUND: 0.8 * ramp(_feet(cells), _FEET),
        **_motion(cells),
        **_shape(cells),
    }
    if clip.modality is Modality.RANGE_VIEW:
        severity[Reason.TOO_FEW_POINTS] = ramp(float(cells.mean()), _POINTS)
    return Quality(_one_cause({reason: value for reason, value in severity.items() if value > 0}))


def _one_cause(severity: dict[Reason, float]) -> dict[Reason, float]:
    """Without what only follows from something worse: noise does not walk, nor has it a shape."""
    for cause, follows in _FOLLOWS.items():
        if severity.get(cause, 0.0) >= 0.5:
            severity = {r: v for r, v in severity.items() if r not in follows}
    return severity


_SHAPES = (Reason.NOT_A_PERSON, Reason.UPSIDE_DOWN, Reason.GROUND, Reason.SEVERAL_PEOPLE)
_MOTIONS = (Reason.NOT_WALKING, Reason.UNDER_ONE_CYCLE)
_FOLLOWS = {
    Reason.PHOTOGRAPH: (*_SHAPES, *_MOTIONS, Reason.INVERTED, Reason.NOISE),
    Reason.NOISE: (*_SHAPES, *_MOTIONS, Reason.INVERTED),
    Reason.INVERTED: (*_SHAPES, *_MOTIONS),
    Reason.SEVERAL_PEOPLE: (Reason.NOT_A_PERSON, Reason.GROUND),
    Reason.UPSIDE_DOWN: (Reason.NOT_A_PERSON,),
    Reason.NOT_WALKING: (Reason.UNDER_ONE_CYCLE,),
}


def _middle(clip: Clip) -> Clip:
    """Consecutive frames, so that the motion can be seen."""
    start = max(0, (len(clip) - LOOKED_AT) // 2)
    return Clip(clip.frames[start : start + LOOKED_AT], clip.modality)


def lit_of(clip: Clip) -> Lit:
    """`(s, 64, 64)`: where the person is in the frames of a clip."""
    lit: Lit
    if clip.modality is Modality.SILHOUETTE:
        lit = clip.frames[:, 0] >= FOREGROUND
    else:
        lit = (clip.frames[:, 0] | clip.frames[:, 1] | clip.frames[:, 2]) > 0
    return lit


def _inverted(lit: Lit) -> float:
    return ramp(float(lit[:, [0, 0, -1, -1], [0, -1, 0, -1]].mean()), _CORNERS)


def _photograph(clip: Clip) -> float:
    some = clip.frames[evenly(len(clip), COLOURS)]
    if clip.modality is Modality.SILHOUETTE:
        return ramp(grey_part(some), GREY)
    colours = np.moveaxis(some, 1, 3)[:, ::2, ::2]
    off = _OFF[tuple(np.moveaxis(_bright(colours[colours.max(axis=3) >= _DARK]) >> 4, 1, 0))]
    return ramp(float(np.median(off)) if len(off) else 0.0, _OFF_PALETTE)


def grey_part(shades: NDArray[np.uint8]) -> float:
    """Of the pixels that are not black, the part that is not white either."""
    shown = shades > 16
    grey = int(np.count_nonzero(shown & (shades < 240)))
    return grey / max(int(np.count_nonzero(shown)), 1)


def _bright(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same hues at full brightness: the edge of a scatter plot's marker is a darker one."""
    brightest = np.maximum(colours.max(axis=-1, keepdims=True), 1)
    return np.asarray(colours / brightest * 255, np.uint8)


def _off_palette() -> NDArray[np.float32]:
    """`(16, 16, 16)`: how far each colour, to 4 bits a channel, lies from the JET palette."""
    middles = np.stack(np.meshgrid(*[np.arange(16) * 16 + 8] * 3, indexing="ij"), axis=-1)
    off = middles[..., None, :] - _bright(JET[::8]).astype(np.int64)
    nearest: NDArray[np.float32] = np.sqrt((off**2).sum(axis=-1).min(axis=-1)).astype(np.float32)
    return nearest


_OFF = _off_palette()


def _runs(lit: Lit) -> float:
    """Stretches of lit pixels in a row, mean over rows that have any."""
    rows = np.packbits(lit, axis=2).view(">u8").astype(np.uint64)  # a bit a pixel
    begins = int(np.bitwise_count(rows & ~(rows >> np.uint64(1))).sum())
    return begins / max(int(np.count_nonzero(rows)), 1)


def _apart(cells: Cells) -> float:
    """Part of the frames that fall into two, side by side, neither less than a quarter."""
    mass = cells.sum(axis=1)
    left = mass.cumsum(axis=1) / np.maximum(mass.sum(axis=1, keepdims=True), 1e-6)
    return float(((mass == 0) & (left > 0.25) & (left < 0.75)).any(axis=1).mean())


def _feet(cells: Cells) -> float:
    """Width at the feet in that of the legs above them."""
    across = cells.mean(axis=(0, 2))
    return float(across[-1] / max(across[10:15].mean(), 1e-3))


def _motion(cells: Cells) -> dict[Reason, float]:
    if len(cells) < 2:
        return {}
    change = float(cells.std(axis=0).mean() / max(cells.mean(), 1e-3))
    found = {Reason.NOT_WALKING: ramp(change, _STILL)}
    if not _comes_round(cells[:, GRID // 2 :].reshape(len(cells), -1)):
        found[Reason.UNDER_ONE_CYCLE] = _UNDER_ONE_CYCLE
    return found


def _comes_round(rows: Cells) -> bool:
    """Whether frames become alike again after having differed, as steps do."""
    off = rows - rows.mean(axis=0)
    alike = off @ off.T
    size = alike.diagonal()
    distance = size[:, None] + size[None] - 2 * alike
    places = np.arange(len(rows))
    lags = np.abs(places[:, None] - places).ravel()
    by_lag = np.bincount(lags, distance.ravel()) / np.bincount(lags)
    far = np.maximum.accumulate(by_lag)
    return bool((by_lag[1:] < _RETURNED * far[1:]).any())


def _shape(cells: Cells) -> dict[Reason, float]:
    """Two looks at once: the picture as it is, and upside down."""
    shapes, picture = load_shapes(), cells.mean(axis=0)
    rows = rows_of(np.stack([picture, picture[::-1]]))
    off, off_when_turned = map(float, shapes.distance(rows))
    turned = float(shapes.turned(rows[:1])[0])
    found = {Reason.NOT_A_PERSON: ramp(off, _SHAPE)}
    if off_when_turned < _SHAPE[1]:
        found[Reason.UPSIDE_DOWN] = ramp(turned, _TURNED)
    return found
