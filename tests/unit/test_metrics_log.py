"""metrics.jsonl: one line a step; reopening drops what the checkpoint does not have."""

from pathlib import Path

from train.report.metrics_log import FILE, MetricsLog, read_metrics


def write(folder: Path, done: int, steps: range) -> None:
    log = MetricsLog(folder, done)
    log.steps([{"iteration": i, "lr": 0.1, "total": i / 3} for i in steps])
    log.close()


def test_values_come_back_exactly(tmp_path: Path) -> None:
    write(tmp_path, 0, range(1, 4))
    assert [row["total"] for row in read_metrics(tmp_path)] == [1 / 3, 2 / 3, 1.0]


def test_resuming_cuts_off_what_comes_again(tmp_path: Path) -> None:
    write(tmp_path, 0, range(1, 9))
    write(tmp_path, 5, range(6, 8))
    assert [row["iteration"] for row in read_metrics(tmp_path)] == [1, 2, 3, 4, 5, 6, 7]


def test_a_line_cut_short_by_a_crash_is_dropped(tmp_path: Path) -> None:
    write(tmp_path, 0, range(1, 4))
    with (tmp_path / FILE).open("a") as file:
        file.write('{"iteration": 4, "to')
    assert [row["iteration"] for row in read_metrics(tmp_path)] == [1, 2, 3]
    write(tmp_path, 3, range(4, 5))
    assert [row["iteration"] for row in read_metrics(tmp_path)] == [1, 2, 3, 4]


def test_a_new_run_begins_an_empty_file(tmp_path: Path) -> None:
    write(tmp_path, 0, range(1, 4))
    write(tmp_path, 0, range(1, 2))
    assert [row["iteration"] for row in read_metrics(tmp_path)] == [1]


def test_validation_and_tensorboard_are_written(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path)
    log.validation(3, {"a → b": 50.0})
    log.close()
    assert list(read_metrics(tmp_path)) == [{"iteration": 3, "validation_a → b": 50.0}]
    assert list((tmp_path / "tensorboard").iterdir())
