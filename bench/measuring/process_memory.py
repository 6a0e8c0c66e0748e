"""Memory of this process, as Linux counts it."""

import gc
import re
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Residence:
    """Resident memory beyond a baseline, which is what there is when this is made.

    Raises:
        OSError: not on Linux.
    """

    def __init__(self) -> None:
        gc.collect()
        _CLEAR.write_text("5")  # the peak begins anew
        self._baseline = _resident("VmRSS")

    def steady(self) -> float:
        """MB held now."""
        gc.collect()
        return _resident("VmRSS") - self._baseline

    def peak(self) -> float:
        """Most MB held at any moment so far."""
        return _resident("VmHWM") - self._baseline


def _resident(what: str) -> float:
    match = re.search(rf"^{what}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    assert match is not None
    return int(match[1]) / 1000
