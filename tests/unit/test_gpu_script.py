"""`scripts/gpu`: what it asks pip for, with a python in its place that notes what it is asked."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DRY = "--dry-run"
LACKS = "case \"$*\" in *'import onnxruntime'*|*'import tyro'*) exit 1;; esac"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "gpu").write_bytes((ROOT / "scripts" / "gpu").read_bytes())
    return tmp_path


def asked(project: Path, *words: str, answers: str = "") -> list[str]:
    """Runs the script; the words of each call of its python."""
    python, calls = project / "python", project / "calls"
    python.write_text(f'#!/bin/sh\necho "$*" >> {calls}\n{answers}\n')
    python.chmod(0o755)
    subprocess.run(
        ["bash", str(project / "scripts" / "gpu"), *words],
        check=True,
        env={**os.environ, "PYTHON": str(python)},
    )
    return calls.read_text().splitlines()


def test_wheels_are_collected_for_another_python(project: Path) -> None:
    (all_of_them,) = asked(project, "collect", "3.12")
    assert "pip download" in all_of_them
    assert "--python-version 3.12" in all_of_them
    assert all_of_them.endswith("pytest pytest-timeout onnx onnxscript onnxruntime-gpu")
    (project / "calls").unlink()
    (some,) = asked(project, "collect", "3.12", "tyro", "pydantic")
    assert some.endswith("x86_64 tyro pydantic")


def test_it_must_be_said_for_which_python(project: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        asked(project, "collect")
    assert caught.value.returncode == 2


def test_only_what_is_lacking_is_installed_from_wheels(project: Path) -> None:
    (project / "wheels").mkdir()
    calls = asked(project, "--out", "gpu.json", answers=LACKS)
    installed = [call.split()[-1] for call in calls if "pip install" in call and DRY not in call]
    assert installed == ["tyro", "onnxruntime-gpu"]
    assert calls[-1] == "-m bench.gpu --out gpu.json"


def test_onnx_runtime_for_processors_stays_where_none_for_a_gpu_can_be_installed(
    project: Path,
) -> None:
    (project / "wheels").mkdir()
    calls = asked(project, answers=f'{LACKS}\ncase "$*" in *{DRY}*) exit 1;; esac')
    assert any(DRY in call for call in calls)
    assert not any("uninstall" in call for call in calls)


def test_onnx_runtime_for_processors_makes_way_for_the_one_for_a_gpu(project: Path) -> None:
    (project / "wheels").mkdir()
    calls = asked(project, answers=LACKS)
    order = [
        call.split()[2]
        for call in calls
        if "pip" in call and "onnxruntime" in call and DRY not in call
    ]
    assert order == ["uninstall", "install"]
    (probe,) = (call for call in calls if "CUDAExecutionProvider" in call)
    assert "is_available" in probe


def test_without_wheels_nothing_is_installed(project: Path) -> None:
    assert asked(project, "--minutes", "8") == ["-m bench.gpu --minutes 8"]
