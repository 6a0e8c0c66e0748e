"""Which of those that are seen is which of those that are expected."""

import numpy as np
from numpy.typing import NDArray


def greedy(costs: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Rows and columns that belong together, the cheapest first, each once; never infinite ones.

    >>> greedy(np.array([[0.2, 0.1], [0.3, np.inf]]))
    [(0, 1), (1, 0)]
    """
    rows, columns = np.nonzero(np.isfinite(costs))
    order = np.argsort(costs[rows, columns], kind="stable")
    pairs, used_rows, used_columns = [], set[int](), set[int]()
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in used_rows and column not in used_columns:
            pairs.append((row, column))
            used_rows.add(row)
            used_columns.add(column)
    return pairs
