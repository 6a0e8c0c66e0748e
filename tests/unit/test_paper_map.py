import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "paper_map.md").read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"`([\w/]+\.py)::([\w.]+)`", TEXT)))


def defined(path: str) -> set[str]:
    """Functions, classes and `Class.method`s of a file."""
    names = set()
    for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{n.name}" for n in node.body if isinstance(n, ast.FunctionDef)}
    return names


@pytest.mark.parametrize(("path", "name"), NAMES, ids=[name for _, name in NAMES])
def test_what_a_row_names_exists(path: str, name: str) -> None:
    assert name in defined(path)


def test_every_equation_has_a_row_with_a_function_and_a_test() -> None:
    rows = re.findall(r"^\| (\d+) \|[^|]*\| `(?!tests)[^|]*\| `tests/[^|]*\|$", TEXT, re.MULTILINE)
    assert {int(equation) for equation in rows} == set(range(1, 19))


def test_a_name_that_is_not_there_would_be_noticed() -> None:
    assert "gone" not in defined("train/losses.py")
    assert "GaitNetwork.losses" in defined("train/model/network.py")
