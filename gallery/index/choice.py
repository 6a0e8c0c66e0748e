"""Which way to hold embeddings, by how many there are."""

from gallery.index.rung import RungName

EXACT_NUMBERS = 20_000_000
"""Numbers (templates times dimension) that are held exactly: 80 MB, searched in 3 ms."""
INT8_NUMBERS = 80_000_000
"""Numbers that are held in a byte each; beyond this, a bit each is faster."""


def chosen(wanted: RungName | None, templates: int, dimension: int) -> RungName:
    """The rung for a gallery.

    Args:
        wanted: by the one who opened it; None leaves it to the size.
        templates, dimension: how many embeddings of how many numbers.
    """
    if wanted is not None:
        return wanted
    numbers = templates * dimension
    if numbers <= EXACT_NUMBERS:
        return RungName.EXACT
    return RungName.INT8 if numbers <= INT8_NUMBERS else RungName.BITS


def lower(name: RungName) -> RungName:
    """The next more exact rung; the exact one's is itself."""
    names = list(RungName)
    return names[max(0, names.index(name) - 1)]
