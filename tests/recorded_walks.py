"""Where the recorded walks are that some tests need, and what to do without them."""

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).parents[2] / "shared" / "data"
CMU_WALKS = Path(os.environ.get("DIFFCROSSGAIT_TEST_DATA", _BESIDE)) / "cmu_walks.tar.gz"

needs_cmu_walks = pytest.mark.skipif(
    not CMU_WALKS.is_file(),
    reason=f"no recorded walks: {CMU_WALKS.name} neither in ../shared/data nor in "
    "$DIFFCROSSGAIT_TEST_DATA (see docs/motion.md)",
)
