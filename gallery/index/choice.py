"""Which way to hold embeddings, by how many there are."""

from gallery.index.rung import RungName

EXACT_NUMBERS = 8_388_608
"""Numbers (templates times dimension) that are held exactly: 34 MB. Beyond this a bit each is
faster, and was at every size than a byte each (docs/gallery.md)."""


def chosen(wanted: RungName | None, templates: int, dimension: int) -> RungName:
    """The rung for a gallery.

    Args:
        wanted: by the one who opened it; None leaves it to the size.
        templates, dimension: how many embeddings of how many numbers.
    """
    if wanted is not None:
        return wanted
    return RungName.EXACT if templates * dimension <= EXACT_NUMBERS else RungName.BITS


def lower(name: RungName) -> RungName:
    """The next more exact rung; the exact one's is itself."""
    names = list(RungName)
    return names[max(0, names.index(name) - 1)]
