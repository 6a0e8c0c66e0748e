"""What stands in the root of a dataset beside its people: how it was made, and how it is drawn."""

import json
from pathlib import Path
from typing import Any

from gait.errors import LayoutError
from gait.range_style import RangeStyle

SIMULATION = "simulation.json"
"""What the simulator that made it was asked for. Its presence marks every number from it."""
RANGE_VIEWS = "range_views.json"
"""How its range views were drawn, where neither the simulator nor SUSTech1K drew them."""


def record_style(root: Path, style: RangeStyle) -> None:
    """Writes beside a dataset's people how their range views were drawn."""
    (root / RANGE_VIEWS).write_text(json.dumps({"range_style": style}) + "\n", encoding="utf-8")


def dataset_style(root: Path) -> RangeStyle:
    """How a dataset's range views were drawn: as is recorded beside them, or as the simulator says
    it drew them, and those of real people as SUSTech1K's are.

    Raises:
        LayoutError: the record names no style.
    """
    path = root / RANGE_VIEWS
    try:
        recorded = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return _simulated_style(root)
    except (OSError, ValueError, RecursionError) as error:
        raise LayoutError(f"cannot read {path}: {error}") from error
    match recorded:
        case {"range_style": str(style)} if style in [*RangeStyle]:
            return RangeStyle(style)
    raise LayoutError(f"{path} names no style, need range_style {' or '.join(RangeStyle)}")


def _simulated_style(root: Path) -> RangeStyle:
    simulation = simulation_of(root)
    match simulation:
        case {"arguments": {"range_style": str(style)}} if style in [*RangeStyle]:
            return RangeStyle(style)
    return drawn_as(simulated=simulation is not None)


def drawn_as(simulated: bool) -> RangeStyle:
    """How range views are drawn where nothing says so: as the simulator does, or as SUSTech1K's
    files of real people are.
    """
    return RangeStyle.BINS if simulated else RangeStyle.SCATTER


def simulation_of(root: Path) -> dict[str, Any] | None:
    """What a simulator says of itself, if it is readable; None of real people."""
    try:
        said = json.loads((root / SIMULATION).read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
