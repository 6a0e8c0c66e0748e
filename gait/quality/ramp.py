"""From a measure to a severity."""

Ramp = tuple[float, float]
"""The value up to which nothing is wrong, and the value from which all is."""


def ramp(value: float, ends: Ramp) -> float:
    """0 up to the first value, 1 from the second on, evenly between.

    >>> ramp(3.0, (2.0, 4.0)), ramp(0.0, (2.0, 4.0)), ramp(3.0, (10.0, 4.0))
    (0.5, 0.0, 1.0)
    """
    good, bad = ends
    return min(max((value - good) / (bad - good), 0.0), 1.0)
