"""What the full-size recipe is to reach on one GPU of the H200's class, beside what was found."""

from collections.abc import Mapping

from bench.training.step_table import Row
from bench.training.variants import BASE, DEFAULT, LESS

STEP_MS = 40.0
"""Of an iteration in the steady state."""

DIFFUSION = 0.12
"""What the diffusion branch may add to base."""

WAITING = 0.02
"""Share of a step that may be waiting for data."""


def targets_table(rows: Mapping[str, Row]) -> str:
    """A line for each target and row that it is asked of.

    Args:
        rows: by name, with the default among them.
    """
    fastest = min((r for r in rows.values() if r.name not in LESS), key=lambda row: row.median)
    lines = [f"{'target':<44}{'wanted':>10}{'found':>10}"]
    for row in {DEFAULT: rows[DEFAULT], fastest.name: fastest}.values():
        lines.append(_line(f"ms a step, {row.name}", STEP_MS, 1000 * row.median, "{:.1f}"))
        lines.append(_line(f"waiting for data, {row.name}", WAITING, row.shares["data"], "{:.1%}"))
    if BASE in rows:
        added = 1 / rows[BASE].relative[0] - 1
        lines.append(_line("the diffusion branch adds, default", DIFFUSION, added, "{:.1%}"))
    if fastest.memory:
        lines.append(f"peak memory, {fastest.name}: {fastest.memory / 1e9:.1f} GB")
    return "\n".join(lines)


def _line(what: str, most: float, found: float, shape: str) -> str:
    verdict = "met" if found <= most else "missed"
    return f"{what:<44}{'≤ ' + shape.format(most):>10}{shape.format(found):>10}  {verdict}"
