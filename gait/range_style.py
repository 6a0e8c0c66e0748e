"""How a range view is drawn."""

from enum import StrEnum


class RangeStyle(StrEnum):
    """A network wants the pictures it was trained on."""

    BINS = "bins"
    """Every point colours the bin it falls into, and gaps between a coarser sensor's rows and
    columns are closed: `gait.range_view`. Simulated walkers have these unless told otherwise."""
    SCATTER = "scatter"
    """Round, smooth markers that overlap, as in SUSTech1K's own files: `gait.range_scatter`."""
