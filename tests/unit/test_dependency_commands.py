"""Of `scripts/`: `audit-dependencies` says what it did not learn, `sbom` lists what is there, and
`chromium` fails for nothing.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _audit(folder: Path, output: str, code: int) -> "subprocess.CompletedProcess[str]":
    tool = _program(folder / "pip-audit", f"cat <<'END'\n{output}\nEND\nexit {code}")
    return subprocess.run(
        ["bash", "scripts/audit-dependencies"],
        cwd=ROOT,
        env={**os.environ, "PIP_AUDIT": str(tool)},
        capture_output=True,
        text=True,
        check=False,
    )


def _program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


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


@pytest.mark.parametrize(
    ("apt_get", "said"),
    [
        ("echo E: no network >&2; exit 100", "could not be installed: E: no network"),
        ("ln -sf /usr/bin/env $(dirname $0)/chromium", "installed env"),
        (None, "could not be installed: "),
    ],
)
def test_a_browser_is_installed_if_it_can_be(
    tmp_path: Path, apt_get: str | None, said: str
) -> None:
    for name in ("bash", "sh", "env", "id", "mktemp", "tail", "timeout", "rm", "ln", "dirname"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    if apt_get is not None:
        _program(tmp_path / "apt-get", apt_get)
    if os.getuid():
        _program(tmp_path / "sudo", 'shift; exec "$@"')
    alone = {"PATH": str(tmp_path), "TMPDIR": str(tmp_path)}
    command = ["bash", "scripts/chromium"]
    done = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True, check=True)
    assert said in done.stdout
