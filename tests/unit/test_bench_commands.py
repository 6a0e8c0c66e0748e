import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.conditions import embedded
from gait.modality import Modality
from gait.variant import Variant
from gallery.network.encoder import Encoder
from tests.data.make_tiny_bundle import save_tiny_checkpoint
from tests.dataset import write_dataset
from tests.galleries import TINY, VARIANTS
from tests.packs import write_pack
from tests.training_setup import write_tiny_yaml
from train.checkpoint import load_network
from train.data.pack import Pack
from train.embed import embed_sequences


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


def test_training_speed(tmp_path: Path) -> None:
    preset = write_tiny_yaml(tmp_path, data={"validation_subjects": 0})
    out = tmp_path / "out.json"
    words = ("--iterations", "2", "--turns", "1", "--no-memory", "--rows", "plain")
    less = ("base", "no denoiser")
    text = output("bench.train", str(preset), *words, *less, "--out", str(out))
    assert "default against plain" in text
    assert "the diffusion branch adds" in text
    found = json.loads(out.read_text())
    rows = {row["name"]: row for row in found["rows"]}
    assert set(rows) == {"default", "plain", *less}
    for row in rows.values():
        assert row["p90"] >= row["median"] > 0
        assert sum(row["shares"].values()) == pytest.approx(1)
        assert 0 < row["peak_share"] < 1
    base, aligned, default, plain = (rows[n]["flops"] for n in (*less, "default", "plain"))
    assert base < aligned < default == plain


def test_full_size_is_counted_without_computing() -> None:
    rates = ("--precision", "bf16", "--tflops", "750", "--tbytes", "4.8")
    lines = output("bench.train", "sustech1k", "--count", "--rows", "base", *rates).splitlines()
    found = {line.split()[0]: [float(n) for n in line.split()[1:]] for line in lines[1:3]}
    (_, flops, moved, ms), (_, base_flops, base_moved, base_ms) = found["default"], found["base"]
    assert flops == pytest.approx(13.86, abs=0.01)
    assert base_flops == pytest.approx(13.22, abs=0.01)
    assert moved < 96
    assert base_moved < 79
    # Arithmetic alone takes 18.5 and 17.6 ms.
    assert 18.5 < ms < 1.13 * base_ms


WITHOUT = """
import sys
for name in ("anny", "cv2", "faiss", "fastapi", "onnx", "onnxruntime", "sklearn", "tensorboard"):
    sys.modules[name] = None
import bench.train, bench.ranks
"""


def test_training_speed_needs_little_else_than_torch() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT], check=True, timeout=120)


def test_gallery_cost(tmp_path: Path) -> None:
    words = ["--folder", str(tmp_path), "--sizes", "1000", "--queries", "20"]
    measured = json.loads(output("bench.gallery", *words, "--json"))["1000"]
    assert measured["fill"]["templates"] == 1000
    assert measured["start"]["first_answer_s"] > measured["start"]["opened_s"] > 0
    found = measured["search"]
    assert found["recall_1"] == found["recall_10"] == found["self_hit"] == 1
    assert min(found["one_p50_ms"], found["one_fused_p50_ms"], found["of_32_per_second"]) > 0
    assert min(measured["change"][f"{name}_p50_ms"] for name in ("enrol", "erase")) > 0
    lines = output("bench.gallery", *words).splitlines()
    shown = [line for line in lines if line.startswith("search recall_1 ")]
    assert shown[0].split() == ["search", "recall_1", "1", "≥", "0.999"]
    assert json.loads((tmp_path / "folder-memory-40.json").read_text())["1000"] == measured


def test_gallery_cost_with_the_spread_of_a_model(tmp_path: Path) -> None:
    dataset = str(write_dataset(tmp_path / "walks"))
    words = ["--folder", str(tmp_path / "bench"), "--sizes", "1000", "--queries", "20"]
    words += ["--numbers", "4096", "--stages", "fill", "--json", "--dataset", dataset]
    measured = json.loads(output("bench.gallery", *words, "--bundle", str(TINY)))["1000"]
    assert measured["fill"]["templates"] == 1000
    with pytest.raises(subprocess.CalledProcessError):
        output("bench.gallery", *words)


def test_inference_speed(tmp_path: Path) -> None:
    save_tiny_checkpoint(tmp_path / "ckpt.pt")
    sizes = ("--batches", "1", "2", "--frames", "2", "--turns", "1", "--seconds", "0.01")
    words = ("--checkpoint", str(tmp_path / "ckpt.pt"), "--bundle", str(VARIANTS), *sizes)
    out = tmp_path / "out.json"
    text = output(
        "bench.inference", *words, "--engines", "torch", "fp32", "int8", "--out", str(out)
    )
    assert "fp32 than torch: 1×2 " in text
    assert "int8 than fp32: 1×2 " in text
    found = json.loads(out.read_text())
    names = ["torch, cpu", "fp32, cpu", "int8, cpu"]
    assert [row["engine"] for row in found["rows"]][:3] == names
    for row in found["rows"][:3]:
        assert row["milliseconds"].keys() == {"1×2", "2×2"}
        assert min(*row["milliseconds"].values(), row["load_seconds"], row["unequal"]) > 0
    assert found["peak_gflops"].keys() == {"fp32", "int8"}


def test_frame_budget(tmp_path: Path) -> None:
    save_tiny_checkpoint(tmp_path / "ckpt.pt")
    pack = write_pack(tmp_path / "pack", train=2, test=3)
    out = tmp_path / "out.json"
    words = ("--checkpoint", str(tmp_path / "ckpt.pt"), "--pack", str(pack), "--out", str(out))
    text = output("bench.frame_budget", *words, "--frames", "1", "4")
    assert "18 walks of 3 simulated people" in text
    rows = json.loads(out.read_text())
    assert len(rows) == 2 * 5 + 1
    assert rows[-1]["frames"] > rows[5]["frames"] > rows[0]["frames"] == 1


def test_serving_cost() -> None:
    words = ("--clients", "2", "--frames", "3", "--seconds", "0.2", "--rounds", "1")
    text = output("bench.serve", "--bundle", str(TINY), *words, "--minutes", "0.03", "--json")
    found = json.loads(text)
    names = ["bare encoder + search", "service", "plain FastAPI"]
    assert [row["name"] for row in found["rows"]] == names
    for row in found["rows"]:
        assert row["refused"] == {}
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert row["cpu_ms"] > 0
    kinds = found["memory"]["kinds"]
    assert kinds["enrol"] == kinds["erase"] > 0
    assert found["memory"]["early_mib"] > 10


@pytest.mark.parametrize("code", [0, 1])
def test_a_flame_graph_is_drawn_of_the_service_beside_a_client(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in notes how it was called: py-spy needs rights that not every machine gives."""
    stand_in, called, out = tmp_path / "py-spy", tmp_path / "called", tmp_path / "flame.svg"
    stand_in.write_text(f'#!/bin/sh\necho "$@" > {called}\nexit {code}\n')
    stand_in.chmod(0o755)
    words = [sys.executable, "-m", "bench.serve", "--bundle", str(TINY), "--frames", "3"]
    words += ["--seconds", "0.1", "--flame", str(out)]
    path = f"{tmp_path}:/usr/bin:/bin"
    for folder, said in ((path, "may need root"), ("/usr/bin:/bin", "found no py-spy")):
        monkeypatch.setenv("PATH", folder)
        done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=120)
        assert done.returncode == (0 if folder == path and not code else 1)
        assert said in done.stderr or done.returncode == 0
    assert f"--output {out}" in called.read_text()


def test_a_bundle_finds_what_its_checkpoint_finds(tmp_path: Path) -> None:
    pack = Pack.open(write_pack(tmp_path / "pack"))
    records = [record for record in pack.records if record.split == "test"]
    save_tiny_checkpoint(tmp_path / "tiny.pt")
    network = load_network(tmp_path / "tiny.pt", torch.device("cpu"))
    wanted = embed_sequences(network, pack, records, torch.device("cpu"))
    found = embedded(Encoder.load(TINY, variant=Variant.FP32), pack, records)
    for modality, flat in found.items():
        parts = getattr(wanted, modality.value)
        unit = parts / np.linalg.norm(parts, axis=2, keepdims=True) / np.sqrt(parts.shape[1])
        np.testing.assert_allclose(flat[:, 0], unit.reshape(len(unit), -1), atol=1e-4)


def test_all_conditions_of_a_bundle(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "pack")
    words = ("bench.conditions", "--bundle", str(TINY), "--pack", str(pack))
    rows = json.loads(output(*words, "--json", "--out", str(tmp_path / "found.json")))["rows"]
    assert json.loads((tmp_path / "found.json").read_text())["rows"] == rows
    assert {row["probe"] for row in rows} == set(Modality)
    assert "Overall" in output(*words)
    with pytest.raises(subprocess.CalledProcessError):
        output(*words[:-1], str(write_pack(tmp_path / "other", test=0)))
