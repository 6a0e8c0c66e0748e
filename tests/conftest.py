"""Where the train extra is not installed, only the modules marked `serving` can be imported."""

import base64
import importlib.util
import os
from pathlib import Path

HERE = Path(__file__).parent

os.environ["DIFFCROSSGAIT_MASTER_KEY"] = base64.b64encode(bytes(range(32))).decode()
os.environ.pop("DIFFCROSSGAIT_MASTER_KEY_FILE", None)

collect_ignore = (
    [
        str(module.relative_to(HERE))
        for module in HERE.rglob("test_*.py")
        if "pytest.mark.serving" not in module.read_text("utf-8")
    ]
    if importlib.util.find_spec("torch") is None
    else []
)
