"""What the paper reports on SUSTech1K, by condition: its Tables 1 and 2.

Of whole published systems, on real people: beside our rows, not to be subtracted from them.
"""

from collections.abc import Mapping
from typing import NamedTuple

from gait.modality import Modality

CONDITIONS = (
    *("Normal", "Bag", "Clothing", "Carrying", "Umbrella", "Uniform", "Occlusion", "Night"),
    "Overall",
)
"""What Rank-1 is of, in the order of the columns; the last column is Rank-5 over all."""

_FROM_CAMERA = """
channel-augmentation    CAJ            16.4 -    7.5  -    7.4  -    -    2.4  11.3 30.1
semantic-parts          SAAI           22.4 -    14.3 -    14.0 -    -    5.3  23.1 49.5
shared-backbone         LidarGait      18.2 -    3.4  -    3.4  -    -    4.7  9.6  28.1
info-nce                CL-Gait        -    -    -    -    -    -    -    -    55.1 77.3
shared-attention        CrossGait      63.2 -    30.6 -    38.5 -    -    11.8 53.6 77.0
implicit-knowledge      IDKL           60.3 49.8 29.2 48.5 36.9 50.7 64.2 9.4  52.2 75.2
two-stage-distillation  TSKD           52.1 43.6 27.9 48.0 32.7 41.1 55.6 6.3  42.6 65.8
full                    DiffCrossGait  70.6 62.3 37.9 58.5 44.1 56.7 68.4 12.7 58.7 79.5
"""
_FROM_LIDAR = """
channel-augmentation    CAJ            15.3 -    6.4  -    13.0 -    -    2.3  12.3 32.3
semantic-parts          SAAI           26.5 -    21.9 -    23.2 -    -    3.2  26.1 54.1
shared-backbone         LidarGait      23.2 -    14.2 -    24.7 -    -    2.4  18.3 39.6
info-nce                CL-Gait        -    -    -    -    -    -    -    -    53.3 75.6
shared-attention        CrossGait      62.2 -    35.4 -    57.8 -    -    10.3 56.4 79.8
implicit-knowledge      IDKL           59.6 52.3 31.0 49.5 55.2 56.1 65.3 7.9  54.8 77.1
two-stage-distillation  TSKD           50.1 41.3 27.7 42.8 45.9 46.2 52.5 7.8  47.2 68.1
full                    DiffCrossGait  73.5 65.5 44.3 61.3 66.3 67.6 73.5 8.1  63.8 83.4
"""


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


def _read(table: str) -> dict[str, Published]:
    found = {}
    for line in table.strip().splitlines():
        row, system, *values, rank5 = line.split()
        given = zip(CONDITIONS, values, strict=True)
        rank1 = {condition: float(value) for condition, value in given if value != "-"}
        found[row] = Published(system, rank1, float(rank5))
    return found


TABLES: Mapping[Modality, Mapping[str, Published]] = {
    Modality.SILHOUETTE: _read(_FROM_CAMERA),
    Modality.RANGE_VIEW: _read(_FROM_LIDAR),
}
"""By the probe's modality and the row that is after the system."""
