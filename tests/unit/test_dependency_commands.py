"""`scripts/audit-dependencies` says what it did not learn; `scripts/sbom` lists what is there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _audit(folder: Path, output: str, code: int) -> "subprocess.CompletedProcess[str]":
    tool = folder / "pip-audit"
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{output}\nEND\nexit {code}\n")
    tool.chmod(0o755)
    return subprocess.run(
        ["bash", "scripts/audit-dependencies"],
        cwd=ROOT,
        env={**os.environ, "PIP_AUDIT": str(tool)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("output", "code", "expected", "says"),
    [
        ("No known vulnerabilities found", 0, 0, ""),
        ("Found 1 known vulnerability in 1 package", 1, 1, ""),
        ("requests.exceptions.ConnectionError: Max retries exceeded", 1, 3, "offline"),
        ("six  Dependency not found on PyPI and could not be audited: six (1)", 0, 3, "1 packages"),
    ],
)
def test_an_audit_that_learnt_nothing_is_not_clean(
    tmp_path: Path, output: str, code: int, expected: int, says: str
) -> None:
    audit = _audit(tmp_path, output, code)
    assert audit.returncode == expected
    assert output in audit.stdout
    assert says in audit.stderr
    assert bool(says) == bool(audit.stderr)


@pytest.mark.slow
def test_the_bill_of_materials_names_what_is_installed() -> None:
    environment = Path(sys.prefix)
    command = ["bash", "scripts/sbom", str(environment)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    bill = json.loads(done.stdout)
    assert bill["bomFormat"] == "CycloneDX"
    assert {"numpy", "fastapi"} <= {part["name"] for part in bill["components"]}
