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


def summary_text(result: ProtocolResult) -> str:
    """Rank-1 with interval, cosine distance, of every condition that has probes, as plain text."""
    lines = [["condition", "probes", *(direction(*pair) for pair in DIRECTIONS)]]
    for condition, rows in _conditions(result):
        lines.append([condition, str(rows[0].probes), *(f"{v} {i}" for v, i in map(_cell, rows))])
    title = (
        f"{result.protocol} protocol{', simulated people' * result.simulated}: Rank-1 % "
        "[95 % interval over people], probe → gallery, cosine distance"
    )
    return "\n".join([title, *columns(lines)])


def summary_html(result: ProtocolResult) -> str:
    """The same as an HTML table."""
    names = ["condition", "probes", *(direction(*pair) for pair in DIRECTIONS)]
    lines = ["".join(f"<th>{html.escape(name)}</th>" for name in names)]
    for condition, rows in _conditions(result):
        cells = "".join(f"<td>{v} <small>{i}</small></td>" for v, i in map(_cell, rows))
        lines.append(f"<td>{html.escape(condition)}</td><td>{rows[0].probes}</td>{cells}")
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _conditions(result: ProtocolResult) -> Iterator[tuple[str, list[Row]]]:
    """Conditions with probes, each with its rows in the order of `DIRECTIONS`."""
    for condition in dict.fromkeys(row.condition for row in result.rows):
        rows = [
            result.row(probe=p, gallery=g, distance=Distance.COSINE, condition=condition)
            for p, g in DIRECTIONS
        ]
        if all(row.scores for row in rows):
            yield condition, rows


def _cell(row: Row) -> tuple[str, str]:
    score = row.scores["rank1"]
    return f"{score.value:.1f}", f"[{score.low:.1f}, {score.high:.1f}]"
