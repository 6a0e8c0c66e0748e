"""The `curl` lines of the documents, run as they stand against a service process."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gait.modality import Modality
from gallery.exchange.sealed_file import MAGIC
from gallery.identity import Identity
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.scopes import Scope
from tests.galleries import TINY
from tests.processes import running
from tests.services import probe

pytestmark = [
    pytest.mark.serving,
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
]

ROOT = Path(__file__).parents[2]
HOSTS = re.compile(r"(http://)?(localhost|127\.0\.0\.1|gait\.example):8000")
ENROL = (
    "curl -F clips=@clip.npz -F authorisation=test -F expires=2999-01-01 "
    "localhost:8000/v1/galleries/{}/subjects/first/templates"
)


def _examples(document: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"^```(?:sh)?\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    lines = blocks.replace("\\\n", " ").splitlines()
    return [each for each in lines if each.startswith(("curl ", "subjects="))]


def _run(folder: Path, address: str, examples: list[str], **keys: str) -> None:
    """Runs them in one shell, which ends at the first that is refused."""
    for name in ("walk.zip", "walk1.zip", "walk2.zip", "walk1.npz", "walk2.mp4", "clip.npz"):
        (folder / name).write_bytes(probe(1, Modality.SILHOUETTE))  # known by content
    (folder / ".curlrc").write_text("fail\nsilent\nshow-error\nnoproxy = *\n", encoding="ascii")
    script = HOSTS.sub(address, "\n".join(["set -eux", *examples]))
    environment = os.environ | {"CURL_HOME": str(folder)} | keys
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=60, cwd=folder,
        env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_examples_for_a_service_without_keys(tmp_path: Path) -> None:
    readme = _examples("README.md")
    service = [each for each in _examples("docs/service.md") if "Authorization" not in each]
    assert len(readme) >= 4
    assert len(service) >= 5
    with running("--bundle", TINY, "--data", tmp_path / "data") as (_, address):
        _run(tmp_path, address, [*readme, ENROL.format("default"), *service])


def test_examples_for_a_service_with_keys(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running("--bundle", TINY, "--data", data) as (_, address):
        made = 'curl localhost:8000/v1/galleries --json \'{"gallery": "site-7"}\''
        _run(tmp_path, address, [made, ENROL.format("site-7")])
    file = KeyFile(data / "keys.json")
    searching = file.new(Grant(scopes=(Scope.IDENTIFY,), galleries=("site-7",))).token
    admin, spare = file.new(Grant(scopes=(Scope.ADMIN,))).token, file.new(Grant(scopes=()))
    examples = [each for each in _examples("docs/service.md") if "Authorization" in each]
    assert len(examples) >= 5
    with running("--bundle", TINY, "--data", data) as (_, address):
        _run(tmp_path, address, examples, KEY=searching, ADMIN=admin, ID=spare.key.id)


def test_examples_of_moving_a_gallery(tmp_path: Path) -> None:
    """The service exports for itself: it is both parties."""
    data = tmp_path / "data"
    with running("--bundle", TINY, "--data", data) as (_, address):
        _run(tmp_path, address, [ENROL.format("default")])
    _, public = Identity.make().save(data / "identity")
    for name in ("alice.pub", "bob.pub"):
        (tmp_path / name).write_bytes(public.read_bytes())
    admin = KeyFile(data / "keys.json").new(Grant(scopes=(Scope.ADMIN,))).token
    examples = _examples("docs/moving.md")
    assert len(examples) == 2
    with running("--bundle", TINY, "--data", data) as (_, address):
        _run(tmp_path, address, examples, ADMIN=admin)
    assert (tmp_path / "people.gallery").read_bytes().startswith(MAGIC)
