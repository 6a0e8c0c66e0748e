"""Rank-1 at a glance: conditions down, the four directions across."""

import html
from collections.abc import Iterator

from gait.metrics import Distance
from gait.modality import Modality
from train.protocols.records import Row
from train.protocols.result import ProtocolResult
from train.protocols.table import columns

DIRECTIONS = tuple((m, m.counterpart) for m in Modality) + tuple((m, m) for m in Modality)
"""Probe and gallery modality: across sensors first, then within each."""


def direction(probe: Modality, gallery: Modality) -> str:
    """How a comparison is named: probe modality → gallery modality."""
    return f"{probe} → {gallery}"


def directions_of(result: ProtocolResult) -> list[tuple[Modality, Modality]]:
    """The comparisons that a result holds, in the order of `DIRECTIONS`."""
    held = {row.key[:2] for row in result.rows}
    return [pair for pair in DIRECTIONS if pair in held]


def distances_of(result: ProtocolResult) -> list[Distance]:
    """Both distances, first the one that the result goes by."""
    return sorted(Distance, key=lambda distance: distance != result.distance)


def summary_text(result: ProtocolResult) -> str:
    """Rank-1 with interval of every condition that has probes, a table for each distance."""
    people = f"{result.protocol} protocol{', simulated people' * result.simulated}"
    names = [direction(*pair) for pair in directions_of(result)]
    tables = []
    for distance in distances_of(result):
        lines = [["condition", "probes", *names]]
        for condition, rows in _conditions(result, distance):
            cells = (f"{value} {interval}" for value, interval in map(_cell, rows))
            lines.append([condition, str(rows[0].probes), *cells])
        title = (
            f"{people}: Rank-1 % [95 % interval over people], probe → gallery, {distance} distance"
        )
        tables.append("\n".join([title, *columns(lines)]))
    return "\n\n".join([*tables, "\n".join(result.remarks)])


def summary_html(result: ProtocolResult) -> str:
    """The same as HTML tables."""
    return "\n".join(_table(result, distance) for distance in distances_of(result))


def _table(result: ProtocolResult, distance: Distance) -> str:
    names = ["condition", "probes", *(direction(*pair) for pair in directions_of(result))]
    lines = ["".join(f"<th>{html.escape(name)}</th>" for name in names)]
    for condition, rows in _conditions(result, distance):
        cells = "".join(f"<td>{v} <small>{i}</small></td>" for v, i in map(_cell, rows))
        lines.append(f"<td>{html.escape(condition)}</td><td>{rows[0].probes}</td>{cells}")
    rows_html = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><caption>Rank-1 %, {distance} distance</caption>{rows_html}</table>"


def _conditions(result: ProtocolResult, distance: Distance) -> Iterator[tuple[str, list[Row]]]:
    """Conditions with probes, each with its rows in the order of `DIRECTIONS`."""
    for condition in dict.fromkeys(row.condition for row in result.rows):
        rows = [
            result.row(probe=p, gallery=g, distance=distance, condition=condition)
            for p, g in directions_of(result)
        ]
        if all(row.scores for row in rows):
            yield condition, rows


def _cell(row: Row) -> tuple[str, str]:
    score = row.scores["rank1"]
    return f"{score.value:.1f}", f"[{score.low:.1f}, {score.high:.1f}]"
