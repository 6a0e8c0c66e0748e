"""What the paper reports on SUSTech1K, by condition: its Tables 1 and 2.

Of whole published systems, on real people: beside our rows, not to be subtracted from them.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gait.modality import Modality

CONDITIONS = (
    *("Normal", "Bag", "Clothing", "Carrying", "Umbrella", "Uniform", "Occlusion", "Night"),
    "Overall",
)
"""Columns of both tables; the conditions of Rank-1, and all of them."""


class Published(NamedTuple):
    """A line of a table.

    Args:
        system: as the paper names it.
        rank1: percent, by condition; those that the paper gives.
        rank5: over all, percent.
    """

    system: str
    rank1: Mapping[str, float]
    rank5: float


def _line(system: str, given: Sequence[float | None], rank5: float) -> Published:
    pairs = zip(CONDITIONS, given, strict=True)
    return Published(system, {name: value for name, value in pairs if value is not None}, rank5)


_ = None  # what the paper leaves out
_FROM_CAMERA = {
    "channel-augmentation": _line("CAJ", (16.4, _, 7.5, _, 7.4, _, _, 2.4, 11.3), 30.1),
    "semantic-parts": _line("SAAI", (22.4, _, 14.3, _, 14.0, _, _, 5.3, 23.1), 49.5),
    "shared-backbone": _line("LidarGait", (18.2, _, 3.4, _, 3.4, _, _, 4.7, 9.6), 28.1),
    "info-nce": _line("CL-Gait", (_, _, _, _, _, _, _, _, 55.1), 77.3),
    "shared-attention": _line("CrossGait", (63.2, _, 30.6, _, 38.5, _, _, 11.8, 53.6), 77.0),
    "implicit-knowledge": _line(
        "IDKL", (60.3, 49.8, 29.2, 48.5, 36.9, 50.7, 64.2, 9.4, 52.2), 75.2
    ),
    "two-stage-distillation": _line(
        "TSKD", (52.1, 43.6, 27.9, 48.0, 32.7, 41.1, 55.6, 6.3, 42.6), 65.8
    ),
    "full": _line("DiffCrossGait", (70.6, 62.3, 37.9, 58.5, 44.1, 56.7, 68.4, 12.7, 58.7), 79.5),
}
_FROM_LIDAR = {
    "channel-augmentation": _line("CAJ", (15.3, _, 6.4, _, 13.0, _, _, 2.3, 12.3), 32.3),
    "semantic-parts": _line("SAAI", (26.5, _, 21.9, _, 23.2, _, _, 3.2, 26.1), 54.1),
    "shared-backbone": _line("LidarGait", (23.2, _, 14.2, _, 24.7, _, _, 2.4, 18.3), 39.6),
    "info-nce": _line("CL-Gait", (_, _, _, _, _, _, _, _, 53.3), 75.6),
    "shared-attention": _line("CrossGait", (62.2, _, 35.4, _, 57.8, _, _, 10.3, 56.4), 79.8),
    "implicit-knowledge": _line(
        "IDKL", (59.6, 52.3, 31.0, 49.5, 55.2, 56.1, 65.3, 7.9, 54.8), 77.1
    ),
    "two-stage-distillation": _line(
        "TSKD", (50.1, 41.3, 27.7, 42.8, 45.9, 46.2, 52.5, 7.8, 47.2), 68.1
    ),
    "full": _line("DiffCrossGait", (73.5, 65.5, 44.3, 61.3, 66.3, 67.6, 73.5, 8.1, 63.8), 83.4),
}
TABLES: Mapping[Modality, Mapping[str, Published]] = {
    Modality.SILHOUETTE: _FROM_CAMERA,
    Modality.RANGE_VIEW: _FROM_LIDAR,
}
"""By the probe's modality and the row that is after the system."""
