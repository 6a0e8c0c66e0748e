"""The gallery never needs torch or onnx: a whole round with both of them blocked."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gait.modality import Modality
from tests.galleries import AUTHORISED, TINY, walk

pytestmark = pytest.mark.serving

ROUND = """
import importlib.abc, runpy, sys

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in {"torch", "onnx", "onnxscript", "train", "export", "fastapi"}:
            raise ModuleNotFoundError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
bundle, out, root, clip, *authorised = sys.argv[1:]
for arguments in (
    ["gallery.build", "--bundle", bundle, "--out", out, root, *authorised],
    ["gallery.identify", "--gallery", out, clip, "--json", "--quality", "off"],
):
    sys.argv = arguments
    try:
        runpy.run_module(arguments[0], run_name="__main__")
    except SystemExit as exit:
        assert not exit.code, exit.code
"""


def test_build_and_identify_run_with_torch_blocked(tmp_path: Path) -> None:
    for person in range(3):
        folder = tmp_path / "files" / f"p{person}"
        folder.mkdir(parents=True)
        np.save(folder / "a.npy", walk(person, 4, Modality.RANGE_VIEW).frames)
    clip = tmp_path / "probe.npy"
    np.save(clip, walk(1, 6, Modality.RANGE_VIEW, seed=5).frames)
    arguments = (TINY, tmp_path / "gallery", tmp_path / "files", clip, *AUTHORISED)
    done = subprocess.run(
        [sys.executable, "-c", ROUND, *map(str, arguments)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert '"subject": "p1"' in done.stdout.splitlines()[-1].split("candidates")[1]
