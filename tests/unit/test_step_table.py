"""What was found of a full-size run, set beside what is wanted."""

from bench.training.step_table import StepResult, targets_table


def row(name: str, median: float, relative: float, data: float = 0.01) -> StepResult:
    return StepResult(
        name=name,
        median=median,
        p90=median,
        relative=(relative, relative, relative),
        images=1.0,
        shares={"data": data, "forward": 1 - data, "backward": 0.0, "optimiser": 0.0},
        flops=1,
        bytes=1,
        peak_share=0.5,
        memory=20_000_000_000,
    )


def test_each_target_is_met_or_missed() -> None:
    rows = [row("default", 0.05, 1.0), row("base", 0.04, 0.8), row("graph on", 0.03, 0.6, 0.03)]
    lines = targets_table({r.name: r for r in rows}).splitlines()
    verdicts = {line.split("  ")[0]: line.split()[-1] for line in lines[1:]}
    assert verdicts == {
        "ms a step, default": "missed",
        "waiting for data, default": "met",
        "ms a step, graph on": "met",
        "waiting for data, graph on": "missed",
        "the diffusion branch adds, default": "missed",
        "peak memory, graph on: 20.0 GB": "GB",
    }


def test_base_is_no_candidate_for_the_fastest() -> None:
    rows = [row("default", 0.05, 1.0), row("base", 0.04, 0.95)]
    text = targets_table({r.name: r for r in rows})
    assert "ms a step, base" not in text
    assert "met" in text.splitlines()[3]
