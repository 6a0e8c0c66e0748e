"""What was measured of the service, as rows of a table."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.serving.load import Load


@dataclass(frozen=True)
class Row:
    """One way to serve under one number of clients; each figure is the median over rounds.

    Args:
        name: of the way.
        clients: at the same time.
        p50_ms, p95_ms, p99_ms: of a request, as its client saw it.
        clips_per_second: answered.
        share: of the clips a second of the bare loop in the same round.
        extra_ms: p50 over that of the bare loop in the same round.
        refused: requests not answered with 2xx, by status; 0 for a broken connection.
        client_share: of one core that the clients took themselves.
    """

    name: str
    clients: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    clips_per_second: float
    share: float
    extra_ms: float
    refused: dict[int, int]
    client_share: float


def make_row(name: str, clients: int, loads: Sequence[Load], bare: Sequence[Load]) -> Row:
    """A row from its rounds and those of the bare loop."""
    pairs = list(zip(loads, bare, strict=True))
    statuses: Counter[int] = sum((load.statuses for load in loads), Counter())
    return Row(
        name=name,
        clients=clients,
        p50_ms=_median([load.milliseconds(50) for load in loads]),
        p95_ms=_median([load.milliseconds(95) for load in loads]),
        p99_ms=_median([load.milliseconds(99) for load in loads]),
        clips_per_second=_median([load.rate for load in loads]),
        share=_median([load.rate / alone.rate for load, alone in pairs]),
        extra_ms=_median([load.milliseconds(50) - a.milliseconds(50) for load, a in pairs]),
        refused={status: n for status, n in statuses.items() if not 200 <= status < 300},
        client_share=_median([load.cpu / load.seconds for load in loads]),
    )


def rows_table(rows: Sequence[Row]) -> str:
    """A line for each row."""
    head = (
        f"{'':<24}{'clients':>8}{'p50 ms':>9}{'p95':>9}{'p99':>9}{'clips/s':>9}{'of bare':>9}"
        f"{'extra ms':>10}{'clients’ core':>15}  refused"
    )
    return "\n".join([head, *map(_line, rows)])


def _line(row: Row) -> str:
    refused = ", ".join(f"{n} × {status}" for status, n in row.refused.items()) or "–"
    return (
        f"{row.name:<24}{row.clients:>8}{row.p50_ms:>9.1f}{row.p95_ms:>9.1f}{row.p99_ms:>9.1f}"
        f"{row.clips_per_second:>9.1f}{row.share:>9.1%}{row.extra_ms:>10.1f}"
        f"{row.client_share:>15.0%}  {refused}"
    )


def _median(values: Sequence[float]) -> float:
    return float(np.median(values))
