"""Rows of a result as plain text."""

from collections.abc import Sequence

from train.protocols.records import Row


def block(title: str, rows: Sequence[Row], metrics: Sequence[str], *, views: bool) -> str:
    """One table: the rows of one probe modality, gallery modality and distance.

    Args:
        title: of the result; says so if it is simulated.
        rows: of the same modalities and distance.
        metrics: the columns.
        views: whether rows of single probe views are shown.
    """
    head = rows[0]
    shown = [row for row in rows if views or row.view is None]
    lines = [["condition", *metrics, "probes", "people", "misses", "empty cells"]]
    lines += [_cells(row, metrics) for row in shown]
    return "\n".join(
        [
            f"{title}: probe {head.probe} → gallery {head.gallery}, {head.distance} distance",
            *columns(lines),
        ]
    )


def columns(lines: Sequence[Sequence[str]]) -> list[str]:
    """Lines of cells, aligned: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if position == 0 else cell.rjust(width)
            for position, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _cells(row: Row, metrics: Sequence[str]) -> list[str]:
    name = row.condition if row.view is None else f"  from {row.view}"
    return [
        name,
        *(_score(row, metric) for metric in metrics),
        str(row.probes),
        str(row.subjects),
        str(row.misses),
        f"{row.empty_cells}/{row.cells}",
    ]


def _score(row: Row, metric: str) -> str:
    if not row.scores:
        return "–"
    score = row.scores[metric]
    return f"{score.value:.1f} [{score.low:.1f}, {score.high:.1f}]"
