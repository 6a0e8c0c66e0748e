"""A real identify where torch, onnx and everything that trains cannot be imported."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.serving

SCRIPT = """
import sys
from pathlib import Path

FORBIDDEN = {"torch", "onnx", "onnxscript", "anny", "train", "export", "sklearn", "matplotlib"}


class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in FORBIDDEN:
            raise ImportError(f"{name} must not be needed for serving")


sys.meta_path.insert(0, Refuse())
sys.path.insert(0, ".")

import serve.run
from gait.modality import Modality
from tests import services

with services.opened(Path(sys.argv[1])) as service, services.client(service) as client:
    services.enrol(client, 3, Modality.RANGE_VIEW)
    reply = services.identify(client, services.probe(1, Modality.RANGE_VIEW), {"top_k": 1})
    print(reply.json()["candidates"][0]["subject"])
assert not FORBIDDEN & {name.partition(".")[0] for name in sys.modules}
"""


def test_identify_needs_nothing_that_trains(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, str(tmp_path)],
        capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "p001"
