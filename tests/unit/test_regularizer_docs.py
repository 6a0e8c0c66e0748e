import re
from pathlib import Path
from typing import Any

import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "regularizer.md").read_text(encoding="utf-8")


EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize(("example", "term"), [*zip(EXAMPLES, ("p1", "maps1_p1"), strict=True)])
def test_the_examples_train_networks_that_are_not_ours(
    example: str, term: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(example, "docs/regularizer.md", "exec"), names)
    printed = capsys.readouterr().out.strip()
    assert f"`{printed}`" in TEXT
    assert names["history"][-1][f"{term}_identity"] < names["history"][0][f"{term}_identity"]
    network = names["network"]
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())
