"""The gallery's commands, run as the documents show them, one after the other in one folder."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import clip_files as files
from tests.galleries import TINY

pytestmark = pytest.mark.serving

ROOT = Path(__file__).parents[2]
BUILD = (
    "python -m gallery.build clips --bundle bundle --out gallery --authorisation test "
    "--expires 2999-01-01"
)


def commands(document: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    lines = blocks.replace("\\\n", " ").splitlines()
    local = (line for line in lines if line.startswith("python -m gallery."))
    return [line for line in local if "https://" not in line]


@pytest.mark.parametrize(
    ("document", "before", "least"),
    [("README.md", [], 4), ("docs/gallery.md", [], 8), ("docs/moving.md", [BUILD], 5)],
)
def test_commands_run_as_shown(
    tmp_path: Path, document: str, before: list[str], least: int
) -> None:
    shown = commands(document)
    assert len(shown) >= least
    for name in ("bundle", "new-bundle"):
        shutil.copytree(TINY, tmp_path / name)
    for person, seed in (("0042", 1.0), ("0043", 1.2)):
        (tmp_path / "clips" / person).mkdir(parents=True)
        clip = files.walker(stout=seed)
        (tmp_path / "clips" / person / "walk.npz").write_bytes(files.npz(frames=clip))
    (tmp_path / "clip.npz").write_bytes(files.npz(frames=files.coloured(files.walker())))
    (tmp_path / "street").mkdir()  # as capture.run leaves it
    shutil.copytree(tmp_path / "clips" / "0043", tmp_path / "street" / "0001")
    seen = {"person": 1, "file": "0001/walk.npz", "begins": 0.0, "ends": 2.0}
    (tmp_path / "street" / "tracks.json").write_text(json.dumps({"clips": [seen]}))
    script = "\n".join(["set -eux", f'python() {{ "{sys.executable}" "$@"; }}', *before, *shown])
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=120, cwd=tmp_path,
        env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
