import re
from pathlib import Path
from typing import Any

import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "regularizer.md").read_text(encoding="utf-8")


def test_the_example_trains_a_network_that_is_not_ours(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(example, "docs/regularizer.md", "exec"), names)
    printed = capsys.readouterr().out.strip()
    assert f"`{printed}`" in TEXT
    assert names["history"][-1]["p1_identity"] < names["history"][0]["p1_identity"]
    network = names["network"]
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())
