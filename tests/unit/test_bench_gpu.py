"""The command for a GPU: that its parts exist, and what becomes of one that fails."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from bench.gpu.__main__ import (
    ALL_COMPILED,
    ALL_THAT_IS_LEFT,
    DENOISER_COMPILED,
    ROWS,
    TESTS,
    Part,
    all_parts,
    done,
)
from bench.gpu.embedding import main as embedding
from bench.gpu.step_profile import main as step_profile
from bench.training.noise_pack import noise_pack
from bench.training.timed_training import Trainer
from bench.training.variants import changed, variants
from tests.training_setup import tiny_config, write_tiny_yaml
from train.loop.learner import Machine
from train.presets import load_config

ROOT = Path(__file__).parents[2]
SLEEP = ("-n", "1", "-r", "1", "import time; time.sleep(20)")


def test_every_row_of_the_tables_is_one_of_the_training_bench() -> None:
    config = changed(load_config("sustech1k"), "run", {"precision": "fp32"})
    known = variants(config, torch.device("cuda"))
    assert {*ROWS, *DENOISER_COMPILED, *ALL_COMPILED} <= set(known)


def test_every_test_that_needs_a_gpu_is_run() -> None:
    marked = [
        p for p in (ROOT / "tests").rglob("test_*.py") if "\n@pytest.mark.gpu\n" in p.read_text()
    ]
    assert {str(path.relative_to(ROOT)) for path in marked} == set(TESTS)


@pytest.mark.parametrize("name", ["tests", "compiled tests"])
def test_the_tests_run_where_nothing_is_installed_that_they_do_not_need(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("psycopg", "filelock", "cryptography", "sqlalchemy", "fastapi", "cv2", "faiss"):
        (tmp_path / f"{module}.py").write_text("raise ImportError('not on a lent machine')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (part,) = (p for p in all_parts("sustech1k", cuda=True) if p.name == name)
    outcome = done(part, 100)
    assert outcome.state == "passed", outcome.said
    if not torch.cuda.is_available():
        assert "needs a CUDA device" in outcome.said
    assert f"{2 if name != 'tests' else 4} " in outcome.said.splitlines()[-1]


def test_what_a_part_said_and_left_stays_though_it_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "slow_part.py").write_text(
        "import sys, time; open(sys.argv[-1], 'w').write('[1]'); print('begun'); time.sleep(60)"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        patch.delenv("PYTHONUNBUFFERED", raising=False)
        outcome = done(Part("a", "slow_part", (), 3), 100)
    assert (outcome.state, outcome.said, outcome.result) == ("too long", "begun", [1])


def test_the_limits_of_all_parts_are_near_eight_minutes() -> None:
    parts = all_parts("sustech1k", cuda=True)
    limited = [part.limit for part in parts if part.limit != ALL_THAT_IS_LEFT]
    assert sum(limited) <= 480
    assert all(part.limit == ALL_THAT_IS_LEFT for part in parts[len(limited) :]), "the last ones"


@pytest.mark.parametrize(
    ("part", "left", "state", "said"),
    [
        (Part("a", "json.tool", ("--help",), 60, writes=False), 100, "passed", "usage"),
        (Part("a", "json.tool", ("--nothing",), 60, writes=False), 100, "failed", "--nothing"),
        (Part("a", "timeit", SLEEP, 0.5, writes=False), 100, "too long", ""),
        (Part("a", "json.tool", (), 60, ("no_such_package",)), 100, "not run", "no_such_package"),
        (Part("a", "json.tool", (), 60), 5, "not run", "no time is left"),
    ],
    ids=["passes", "fails", "hangs", "lacks a package", "too late"],
)
def test_a_part_that_fails_says_so(part: Part, left: float, state: str, said: str) -> None:
    outcome = done(part, left)
    assert outcome.state == state
    assert said in outcome.said


def test_what_a_part_started_ends_with_it(tmp_path: Path) -> None:
    started = tmp_path / "process"
    starting = f"sh -c 'echo $$ > {started}; exec sleep 60'"
    words = ("-n", "1", "-r", "1", f"import subprocess; subprocess.run({starting!r}, shell=True)")
    assert done(Part("a", "timeit", words, 3, writes=False), 100).state == "too long"
    process = int(started.read_text())
    until = time.monotonic() + 20
    while Path(f"/proc/{process}").exists() and time.monotonic() < until:
        time.sleep(0.05)  # it is ended already, and not yet taken away
    assert not Path(f"/proc/{process}").exists()


def test_no_part_meets_what_another_had_half_compiled() -> None:
    words = ("-n", "1", "-r", "1", "import os; print(os.environ['TORCHINDUCTOR_CACHE_DIR'])")
    said = {done(Part("a", "timeit", words, 20, writes=False), 100).said for _ in range(2)}
    assert len(said) == 2


def test_the_command_writes_what_was_found(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    words = ["--parts", "embedding", "--minutes", "0", "--out", str(out)]
    subprocess.run([sys.executable, "-m", "bench.gpu", *words], check=True, cwd=ROOT)
    found = json.loads(out.read_bytes())
    assert found["torch"] == torch.__version__
    assert found["parts"]["embedding"]["state"] == "not run"
    unknown = subprocess.run(
        [sys.executable, "-m", "bench.gpu", "--parts", "embeding"],
        check=False, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert unknown.returncode == 1
    assert "embeding" in unknown.stderr


def test_the_profile_is_of_full_and_base(tmp_path: Path) -> None:
    step_profile(str(write_tiny_yaml(tmp_path)), out=tmp_path / "profile.json")
    rows = json.loads((tmp_path / "profile.json").read_bytes())["rows"]
    assert set(rows) == {"default", "base"}
    spent = {name: sum(ms for _, ms, _ in found) for name, found in rows.items()}
    assert 0 < spent["base"] < spent["default"]
    names = [what for what, _, _ in rows["default"]]
    assert "aten::convolution_backward" in names


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:The .grad")  # torch's own
def test_a_row_that_torch_could_not_compile_is_told() -> None:
    torch.compiler.reset()
    eager = tiny_config()
    compiled = changed(eager, "run", {"compile": "denoiser"})
    pack, machine = noise_pack(8, 5), Machine(torch.device("cpu"))
    with torch._inductor.config.patch({"cpp.cxx": ("/no/compiler",)}):
        assert Trainer(compiled, pack, machine).fell_back
    torch.compiler.reset()
    base = changed(compiled, "diffusion", {"phases": ()})
    for row in (eager, base, compiled, compiled):  # the last finds what is compiled already
        assert not Trainer(row, pack, machine).fell_back
    torch.compiler.reset()


def test_the_exported_network_is_compared_with_itself(tmp_path: Path) -> None:
    embedding(requests=100, small=True, out=tmp_path / "embedding.json")
    runs = json.loads((tmp_path / "embedding.json").read_bytes())
    assert all(min(run["milliseconds"]) > 0 and min(run["memory"]) > 0 for run in runs)
    cosines = {run["engine"]: run["cosine"] for run in runs}
    assert cosines["fp32, cpu"] == pytest.approx(1, abs=1e-6)
    assert cosines["fp16, cpu"] == pytest.approx(1, abs=1e-3)
