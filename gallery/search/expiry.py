"""Whether a template has expired: from that moment no search finds it."""

from gallery.record.sealing import Row


def has_expired(row: Row, now: int) -> bool:
    """Whether the authorisation of a template no longer holds.

    Args:
        row: of the template, authenticated when its embedding is opened. Before that it may be
            damaged, and its expiry no number.
        now: seconds since 1970.
    """
    return isinstance(row.expires, int) and row.expires <= now
