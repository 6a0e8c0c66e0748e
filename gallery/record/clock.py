"""The wall clock that authorisations run out by."""

import time


def now() -> int:
    """Seconds since 1970, UTC."""
    return int(time.time())
