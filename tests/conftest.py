"""Where the train extra is not installed, only the modules marked `serving` can be imported."""

import importlib.util
from pathlib import Path

HERE = Path(__file__).parent

collect_ignore = (
    [
        str(module.relative_to(HERE))
        for module in HERE.rglob("test_*.py")
        if "pytest.mark.serving" not in module.read_text("utf-8")
    ]
    if importlib.util.find_spec("torch") is None
    else []
)
