"""How a range view is drawn."""

import json
from enum import StrEnum
from pathlib import Path

RECORD = "range_views.json"
"""In the root of a dataset: how its range views were drawn."""


class RangeStyle(StrEnum):
    """A network wants the pictures it was trained on."""

    BINS = "bins"
    """Every point colours the bin it falls into, and gaps between a coarser sensor's rows and
    columns are closed: `gait.range_view`. Simulated walkers have these unless told otherwise."""
    SCATTER = "scatter"
    """Round, smooth markers that overlap, as in SUSTech1K's own files: `gait.range_scatter`."""


def record_style(root: Path, style: RangeStyle) -> None:
    """Writes beside a dataset's people how their range views were drawn."""
    (root / RECORD).write_text(json.dumps({"range_style": style}) + "\n", encoding="utf-8")


def recorded_style(root: Path) -> RangeStyle | None:
    """What `record_style` wrote; None where nothing readable is."""
    try:
        return RangeStyle(json.loads((root / RECORD).read_text(encoding="utf-8"))["range_style"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
