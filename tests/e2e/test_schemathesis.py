"""Schemathesis over the OpenAPI document, against a service process with keys."""

import json
import re
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from bench.measuring.process_memory import resident_mib
from gallery.identity import Identity
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.scopes import Scope
from tests.galleries import TINY
from tests.processes import running

EXAMPLES = 15
"""Inputs of each operation and phase; docs/operations.md has the figures of a longer run."""
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance"
)
GROWTH_MIB = 64


@pytest.mark.slow
def test_no_generated_request_breaks_the_service_or_its_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in ("KEY", "GALLERY", "ADDRESS"):
        monkeypatch.setenv(f"DIFFCROSSGAIT_RATE_PER_{each}", "1000000/second")
    data = tmp_path / "data"
    data.mkdir()
    Identity.make().save(data / "identity")
    token = KeyFile(data / "keys.json").new(Grant(scopes=tuple(Scope))).token
    with running("--bundle", TINY, "--data", data) as (process, address):
        assert process.stderr is not None
        threading.Thread(target=process.stderr.read, daemon=True).start()  # it must not fill up
        before = resident_mib(process.pid)
        said = _schemathesis(tmp_path, address, token)
        assert resident_mib(process.pid) - before < GROWTH_MIB
        with urllib.request.urlopen(f"{address}/openapi.json", timeout=30) as reply:
            paths = json.load(reply)["paths"]
    operations = sum(len(each) for each in paths.values())
    assert f"Tested: {operations}" in said
    cases = re.search(r"(\d+) generated, (\d+) passed", said)
    assert cases, said
    assert cases[1] == cases[2], said
    assert int(cases[1]) >= 20 * operations


def _schemathesis(folder: Path, address: str, token: str) -> str:
    """What it said; a request that is not answered within 20 s counts as a failure."""
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{address}/openapi.json"),
        *("--header", f"Authorization: Bearer {token}", "--checks", CHECKS, "--no-color"),
        *("--max-examples", str(EXAMPLES), "--seed", "1", "--request-timeout", "20"),
        *("--generation-database", "none", "--continue-on-failure"),
    ]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=500)
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-2000:]
    return ended.stdout
