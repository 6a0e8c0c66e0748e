"""The real street's video, and the networks that find people in pictures: both may be absent."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from capture.weights import ALL, default_folder

STREET = Path(__file__).parents[1].parent / "shared" / "data" / "street.avi"
"""OpenCV's sample vtest.avi."""

needs_networks = pytest.mark.skipif(
    find_spec("ai_edge_litert") is None
    or not all((default_folder() / each.name).is_file() for each in ALL),
    reason="without the extra camera, or the networks that python -m capture.weights fetches",
)
needs_street = pytest.mark.skipif(
    not STREET.is_file(),
    reason="street.avi, OpenCV's sample vtest.avi, is not beside the repository",
)
