"""How well an index finds what is in it, measured when it was built."""

from dataclasses import dataclass


@dataclass(frozen=True)
class IndexHealth:
    """Checks of an index on a sample of its own templates.

    Attributes:
        self_hit: share of sampled templates that are their own nearest, 0..1.
        recall: share of sampled queries whose best subject is that of exact search, 0..1.
        templates: how many the index holds.
        rung: name of the index.
    """

    self_hit: float
    recall: float
    templates: int
    rung: str
