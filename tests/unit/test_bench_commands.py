import json
import subprocess
import sys

import pytest


def output(*arguments: str) -> str:
    """What a benchmark prints, run small and apart: it pins cores and sets thread counts."""
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def test_representation_speed() -> None:
    rows = json.loads(output("bench.representation", "--frames", "5", "--json"))["rows"]
    assert {row["representation"] for row in rows} == {"silhouette", "range_view"}
    assert all(row["frames_per_second"] > 0 for row in rows)
    table = output("bench.representation", "--frames", "5").splitlines()
    assert len(table) == 1 + len(rows)


SMALL = ("--subjects", "5", "--probes", "40", "--parts", "2", "--dimensions", "3")


@pytest.mark.parametrize("option", [(), ("--json",)])
def test_evaluation_cost(option: tuple[str, ...]) -> None:
    text = output("bench.evaluate", *SMALL, "--bootstrap", "10", *option)
    if not option:
        assert "100 clips × 6 numbers" in text
        return
    measured = json.loads(text)
    assert measured["probes"] == 40
    assert 0 < measured["peak_gb"] < 4
