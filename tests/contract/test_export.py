"""What crosses from training to the bundle must not move, and nothing else may cross."""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnxruntime import InferenceSession
from torch.nn import functional as F

from export import bundle as exporting
from export import onnx as command
from export.backbone import Backbone, backbone
from export.bundle import Order
from export.checks.parity import Graph, check_ranking, check_shapes
from export.variants import quantise
from export.variants.calibration import find_calibration
from export.variants.candidates import Candidate
from export.variants.graph import check, trace
from export.variants.half import half
from gait.cli import run
from gait.clip import Frames
from gait.errors import (
    BundleError,
    BundleTamperedError,
    ExportError,
    ParityError,
    StorageError,
    VariantRefusedError,
)
from gait.manifest import MANIFEST, Manifest
from gait.modality import Modality
from gait.range_style import RangeStyle
from gait.variant import Variant
from gallery.decision.decision import bundle_calibration
from gallery.network.encoder import Encoder
from gallery.network.session import Device
from gallery.search.cohort import bundle_cohort
from tests.data.make_tiny_bundle import CONFIG, every_variant, save_tiny_checkpoint
from tests.galleries import TINY, random_embeddings, walk
from tests.packs import drawn_as, write_pack
from train.checkpoint import Checkpoint, build_network, load_checkpoint, save_checkpoint
from train.config import FramePooling, ModelConfig, TrainConfig
from train.data.pack import Pack
from train.model.network import GaitNetwork

TRAINING_ONLY = re.compile(r"regularizer|rival|denois|token|neck|generative|attention|noise", re.I)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with every diffusion phase."""
    path = tmp_path_factory.mktemp("run") / "ckpt.pt"
    save_tiny_checkpoint(path)
    return path


@pytest.fixture(scope="module")
def network(checkpoint: Path) -> GaitNetwork:
    """The network of the checkpoint."""
    return build_network(load_checkpoint(checkpoint))


@pytest.fixture(scope="module")
def bundle(checkpoint: Path) -> Path:
    """The bundle of the checkpoint, ranked on a pack."""
    pack = write_pack(checkpoint.parent / "pack", test=5)
    out = checkpoint.parent / "bundle"
    exporting.export_bundle(checkpoint, out, Order(pack=pack))
    return out


@pytest.mark.usefixtures("short_checks")
def test_a_bundle_carries_a_calibration_of_enough_test_people(
    bundle: Path, checkpoint: Path, tmp_path: Path
) -> None:
    assert bundle_calibration(bundle) is None, "five people tell nothing"
    assert bundle_cohort(bundle) is None, "six people are not everybody"
    out = tmp_path / "calibrated"
    pack = write_pack(tmp_path / "pack", train=22, test=40)
    manifest = exporting.export_bundle(checkpoint, out, Order(pack=pack))
    calibration = bundle_calibration(out)
    assert calibration is not None
    assert (calibration.people, calibration.contract) == (40, manifest.contract)
    assert calibration.simulated == Pack.open(pack).simulated
    assert (manifest.calibration, manifest.contract) == (
        "calibration.json",
        Manifest.load(bundle).contract,
    )
    cohort = bundle_cohort(out)
    assert cohort is not None
    assert all(people.shape == (22, manifest.dimension) for people in cohort.people.values())
    assert (manifest.cohort, calibration.cohort) == ("cohort.npz", cohort.sha256)
    others = write_pack(tmp_path / "others", train=9)
    exporting.export_bundle(checkpoint, out, Order(pack=pack, cohort=(pack, others)))
    cohort = bundle_cohort(out)
    assert cohort is not None
    assert all(len(people) == 22 + 9 for people in cohort.people.values())
    path = out / "calibration.json"
    path.write_text(path.read_text("utf-8").replace('"people":40', '"people":99'), "utf-8")
    with pytest.raises(BundleTamperedError):
        bundle_calibration(out)


@pytest.fixture
def short_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """An export compares with torch in few runs."""
    monkeypatch.setattr("export.checks.parity.LENGTHS", ((1,), (3, 2)))
    monkeypatch.setattr("export.checks.retrieval.SUBJECTS", 3)


@pytest.fixture
def quick(bundle: Path, short_checks: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The bundle; tracing returns its graphs and parity is short, so that an export is quick."""

    def cached(_: Backbone, modality: Modality) -> onnx.ModelProto:
        return onnx.load(bundle / f"{modality}.onnx")

    monkeypatch.setattr(exporting, "trace", cached)
    return bundle


@pytest.mark.parametrize("modality", Modality)
@pytest.mark.parametrize("lengths", [(1,), (1, 1), (2, 3), (11,), (6, 1, 4, 13)])
def test_the_encoder_gives_what_the_network_gives(
    bundle: Path, network: GaitNetwork, modality: Modality, lengths: tuple[int, ...]
) -> None:
    encoder = Encoder.load(bundle, device=Device.CPU, threads=1)
    clips = [walk(person, n, modality) for person, n in enumerate(lengths)]
    for clip, got in zip(clips, encoder.embed(clips), strict=True):
        with torch.no_grad():
            raw = network.embed(torch.from_numpy(clip.frames.copy())[None], modality)
        want = F.normalize(raw[0], dim=1).flatten() / 4  # √16 parts
        np.testing.assert_allclose(got, want, atol=1e-5)


@pytest.mark.usefixtures("short_checks")
@pytest.mark.parametrize(
    ("of", "variants"), [("embedding", ()), ("maps", (Variant.INT8,))], ids=["embedding", "maps"]
)
def test_a_projection_ships_and_other_people_may_decide(
    tmp_path: Path, of: str, variants: tuple[Variant, ...]
) -> None:
    model = CONFIG.model.model_copy(update={"projection": 12, "projection_of": of})
    config = CONFIG.model_copy(update={"model": model})
    save_tiny_checkpoint(tmp_path / "ckpt.pt", config=config)
    network = build_network(load_checkpoint(tmp_path / "ckpt.pt"))
    assert network.projection is not None
    torch.nn.init.normal_(network.projection.weight)
    torch.nn.init.normal_(network.projection.offsets)
    found = load_checkpoint(tmp_path / "ckpt.pt")
    save_checkpoint(tmp_path / "ckpt.pt", replace(found, model=network.state_dict()))
    pack = write_pack(tmp_path / "pack", train=34, test=6)
    people = write_pack(tmp_path / "people", train=0, test=45)
    order = Order(variants=variants, pack=pack, people=people, max_loss=100.0)
    manifest = exporting.export_bundle(tmp_path / "ckpt.pt", tmp_path / "bundle", order)
    assert (manifest.embedding.parts, manifest.embedding.dim) == (1, 12)
    calibration = bundle_calibration(tmp_path / "bundle")
    assert calibration is not None
    assert (calibration.people, calibration.data) == (45, "people, test people")
    tolerances = {Variant.FP32: 1e-5, Variant.INT8: 0.3}
    for variant in (Variant.FP32, *variants):
        tolerance = tolerances[variant]
        encoder = Encoder.load(tmp_path / "bundle", variant=variant, device=Device.CPU, threads=1)
        for modality in Modality:
            clips = [walk(1, 5, modality), walk(2, 3, modality)]
            for clip, got in zip(clips, encoder.embed(clips), strict=True):
                raw = network.embed(torch.from_numpy(clip.frames.copy())[None], modality)
                want = F.normalize(raw[0, 0].detach(), dim=0)
                np.testing.assert_allclose(got, want, atol=tolerance)


def test_the_centre_ships(checkpoint: Path) -> None:
    network = build_network(load_checkpoint(checkpoint))
    network.range_view.centre.normal_()
    clip = walk(1, 3, Modality.RANGE_VIEW).frames
    graph = trace(backbone(network, Modality.RANGE_VIEW), Modality.RANGE_VIEW)
    (got,) = InferenceSession(graph.SerializeToString()).run(
        None, {"frames": clip, "index": np.arange(3)[None]}
    )
    with torch.no_grad():
        want = network.embed(torch.from_numpy(clip.copy())[None], Modality.RANGE_VIEW)
    np.testing.assert_allclose(got, F.normalize(want, dim=2), atol=1e-5)


@pytest.mark.parametrize("modality", Modality)
def test_a_pyramid_of_parts_ships(modality: Modality) -> None:
    torch.manual_seed(0)
    config = CONFIG.model.model_copy(update={"pyramid": True})
    network = GaitNetwork(config, CONFIG.diffusion, 3)
    clip = walk(1, 3, modality).frames
    graph = trace(backbone(network, modality), modality)
    (got,) = InferenceSession(graph.SerializeToString()).run(
        None, {"frames": clip, "index": np.arange(3)[None]}
    )
    assert got.shape == (1, 31, config.embedding)
    with torch.no_grad():
        want = network.embed(torch.from_numpy(clip.copy())[None], modality)
    np.testing.assert_allclose(got, F.normalize(want, dim=2), atol=1e-5)


@pytest.mark.parametrize("kind", FramePooling)
def test_any_pooling_over_frames_ships(kind: FramePooling) -> None:
    torch.manual_seed(0)
    changes = {"frame_pooling": kind, "columns": 2}
    network = GaitNetwork(CONFIG.model.model_copy(update=changes), CONFIG.diffusion, 3)
    path = backbone(network, Modality.SILHOUETTE)
    graph = Graph(trace(path, Modality.SILHOUETTE).SerializeToString())
    clip = walk(1, 3, Modality.SILHOUETTE).frames
    clips = [clip, clip[[0, 0, 1, 2, 1]], clip[:1]]  # frames that come again count again
    want = np.stack([path.embed(each) for each in clips])
    np.testing.assert_allclose(graph.embed(clips), want, atol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"rival": {"method": "shared_backbone"}},
        {"rival": {"method": "late_layers"}},
        {"rival": {"method": "implicit_knowledge"}},
        {"model": {"range_input": "mask"}},
        {"model": {"range_input": "points"}},
        {"model": {"convolutions": "separable", "width": 48}},
    ],
    ids=str,
)
def test_what_a_rival_trained_ships_without_its_heads(
    tmp_path: Path, changes: dict[str, dict[str, str]]
) -> None:
    values = CONFIG.model_dump(mode="json")
    for section, fields in {"diffusion": {"phases": []}, **changes}.items():
        values[section] |= fields
    path = tmp_path / "rival.pt"
    save_tiny_checkpoint(path, config=TrainConfig.model_validate(values))
    network = build_network(load_checkpoint(path))
    for modality in Modality:
        model = trace(backbone(network, modality), modality)
        check(model, backbone(network, modality), modality)
        assert not [t.name for t in model.graph.initializer if TRAINING_ONLY.search(t.name)]
        clips = [walk(1, 3, modality).frames, walk(2, 5, modality).frames]
        want = np.stack([backbone(network, modality).embed(clip) for clip in clips])
        got = Graph(model.SerializeToString()).embed(clips)
        np.testing.assert_allclose(got, want, atol=1e-5)


@pytest.mark.parametrize("seen", ["mask", "points"])
def test_other_inputs_ship_in_half_precision(seen: str) -> None:
    torch.manual_seed(0)
    model = CONFIG.model.model_copy(update={"range_input": seen})
    path = backbone(GaitNetwork(model, CONFIG.diffusion, 3), Modality.RANGE_VIEW)
    graph = half(trace(path, Modality.RANGE_VIEW))
    clips = [walk(person, person + 2, Modality.RANGE_VIEW).frames for person in range(3)]
    got = Graph(graph.SerializeToString()).embed(clips)
    want = np.stack([path.embed(clip) for clip in clips])
    assert np.abs(want[0] - want[1]).max() > 0.006, "the clips differ by more than is allowed"
    np.testing.assert_allclose(got, want, atol=0.003)


def test_a_network_of_one_sensor_is_refused(tmp_path: Path) -> None:
    model = CONFIG.model.model_copy(update={"modalities": (Modality.SILHOUETTE,)})
    diffusion = CONFIG.diffusion.model_copy(update={"phases": ()})
    config = CONFIG.model_copy(update={"model": model, "diffusion": diffusion})
    network = GaitNetwork(model, diffusion, 3)
    made = Checkpoint(config, network.state_dict(), ["a", "b", "c"], 1, True)
    save_checkpoint(tmp_path / "one.pt", made)
    with pytest.raises(ExportError, match="network of silhouette alone, a bundle needs both"):
        exporting.export_bundle(tmp_path / "one.pt", tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("modality", Modality)
def test_nothing_of_the_training_branch_is_in_the_graph(
    bundle: Path, network: GaitNetwork, modality: Modality
) -> None:
    weights = network.state_dict()
    assert any(TRAINING_ONLY.search(name) for name in weights)  # it is there to be left behind
    graph = onnx.load(bundle / f"{modality}.onnx").graph
    nodes = [name for n in graph.node for name in (n.name, *n.input, *n.output)]
    assert not [name for name in nodes if TRAINING_ONLY.search(name)]
    assert not [t.name for t in graph.initializer if TRAINING_ONLY.search(t.name)]
    shipped = sum(p.numel() for p in network.encoder(modality).parameters())
    size = (bundle / f"{modality}.onnx").stat().st_size
    assert size < 4 * shipped + 20_000  # the weights once, and the graph itself
    assert size < 4 * sum(w.numel() for w in weights.values()) / 2


def test_the_graph_is_the_same_without_any_diffusion(network: GaitNetwork, bundle: Path) -> None:
    diffusion = CONFIG.diffusion.model_copy(update={"phases": ()})
    plain = GaitNetwork(CONFIG.model, diffusion, subjects=9)
    kept = plain.state_dict().keys() - {"neck.weight"}
    assert not any(TRAINING_ONLY.search(n) for n in kept if not n.startswith("neck"))
    plain.load_state_dict({n: network.state_dict()[n] for n in kept}, strict=False)
    graph = trace(backbone(plain, Modality.SILHOUETTE), Modality.SILHOUETTE)
    assert graph.SerializeToString() == (bundle / "silhouette.onnx").read_bytes()


@pytest.mark.parametrize("modality", Modality)
def test_the_graph_is_clean(bundle: Path, modality: Modality) -> None:
    data = (bundle / f"{modality}.onnx").read_bytes()
    for trail in (b".py", b"site-packages", str(Path.cwd()).encode()):
        assert trail not in data
    assert {"Conv", "Relu"} <= (
        ops := {node.op_type for node in onnx.load_from_string(data).graph.node}
    )
    assert "BatchNormalization" not in ops


@pytest.mark.parametrize("name", ["frames", "index", "embedding"])
def test_a_frozen_axis_is_refused(bundle: Path, network: GaitNetwork, name: str) -> None:
    graph = onnx.load(bundle / "silhouette.onnx")
    values = {v.name: v for v in [*graph.graph.input, *graph.graph.output]}
    values[name].type.tensor_type.shape.dim[0].dim_value = 2
    with pytest.raises(ExportError, match="axes"):
        check(graph, backbone(network, Modality.SILHOUETTE), Modality.SILHOUETTE)


def test_weights_that_do_not_ship_are_refused(bundle: Path, network: GaitNetwork) -> None:
    graph = onnx.load(bundle / "silhouette.onnx")
    extra = np.zeros((100, 100), np.float32)
    graph.graph.initializer.append(onnx.numpy_helper.from_array(extra, "denoiser"))
    with pytest.raises(ExportError, match="holds"):
        check(graph, backbone(network, Modality.SILHOUETTE), Modality.SILHOUETTE)


def test_the_manifest_says_what_is_inside(
    bundle: Path, checkpoint: Path, network: GaitNetwork
) -> None:
    manifest = Manifest.load(bundle)
    assert manifest.simulated
    assert (manifest.embedding.parts, manifest.embedding.dim) == (16, 16)
    assert manifest.training == load_checkpoint(checkpoint).config.model_dump(mode="json")
    assert {"torch", "onnx", "onnxruntime", "diffcrossgait"} <= manifest.versions.keys()
    for modality, model in manifest.models.items():
        golden = model.golden
        for clip, embedding in zip(golden.clips(modality), golden.embeddings(), strict=True):
            with torch.no_grad():
                want = network.embed(torch.from_numpy(clip.copy())[None], modality)[0]
            np.testing.assert_allclose(embedding, F.normalize(want, dim=1).flatten(), atol=1e-6)


def test_the_style_of_range_views_ships(tmp_path: Path, quick: Path) -> None:
    save_tiny_checkpoint(tmp_path / "ckpt.pt")
    drawn = replace(load_checkpoint(tmp_path / "ckpt.pt"), range_style=RangeStyle.SCATTER)
    save_checkpoint(tmp_path / "ckpt.pt", drawn)
    pack = write_pack(tmp_path / "pack", train=34, test=6)
    with pytest.raises(ExportError, match="range views of style bins, need scatter"):
        exporting.export_bundle(tmp_path / "ckpt.pt", tmp_path / "bundle", Order(pack=pack))
    assert not (tmp_path / "bundle").exists()
    drawn_as(pack, RangeStyle.SCATTER)
    bins = write_pack(tmp_path / "bins", train=34, test=6)
    int8 = Order(variants=(Variant.INT8,), pack=pack, calibration=bins, max_loss=100.0)
    with pytest.raises(ExportError, match="bins with range views of style bins, need scatter"):
        exporting.export_bundle(tmp_path / "ckpt.pt", tmp_path / "bundle", int8)
    exporting.export_bundle(tmp_path / "ckpt.pt", tmp_path / "bundle", Order(pack=pack))
    assert Encoder.load(tmp_path / "bundle", threads=1).range_style is RangeStyle.SCATTER
    assert Encoder.load(quick, threads=1).range_style is RangeStyle.BINS


def test_the_report_says_what_was_compared(bundle: Path) -> None:
    report = json.loads((bundle / exporting.PARITY).read_text())
    assert len({tuple(c["lengths"]) for c in report["shapes"]}) >= 5
    assert len(report["shapes"]) == 2 * len({tuple(c["lengths"]) for c in report["shapes"]})
    assert all(check["difference"] <= 1e-4 for check in report["shapes"])
    assert report["data"].endswith("pack")
    assert len(report["rankings"]) == 4
    assert all(r["probes"] == r["templates"] == r["same_first"] == 5 for r in report["rankings"])


def test_the_committed_tiny_bundle_is_what_its_script_makes(bundle: Path) -> None:
    clips = [walk(p, 4, modality) for p in range(2) for modality in Modality]
    made, committed = (Encoder.load(b, device=Device.CPU, threads=1) for b in (bundle, TINY))
    np.testing.assert_allclose(made.embed(clips), committed.embed(clips), atol=1e-5)


def _perturbed(bundle: Path, modality: Modality) -> onnx.ModelProto:
    graph = onnx.load(bundle / f"{modality}.onnx")
    tensor = next(t for t in graph.graph.initializer if t.name.endswith("fcs.weight"))
    weights = onnx.numpy_helper.to_array(tensor).copy()
    weights.flat[0] += 0.05
    tensor.CopyFrom(onnx.numpy_helper.from_array(weights, tensor.name))
    return graph


def test_a_failure_leaves_no_bundle_and_an_older_one_as_it_was(
    quick: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = exporting.export_bundle(checkpoint, tmp_path / "old")
    monkeypatch.setattr(exporting, "trace", lambda _, modality: _perturbed(quick, modality))
    for out in (tmp_path / "old", tmp_path / "new"):
        with pytest.raises(ParityError, match="differs from each clip alone"):
            exporting.export_bundle(checkpoint, out)
    assert [p.name for p in tmp_path.iterdir()] == ["old"]
    assert Manifest.load(tmp_path / "old") == old


def test_a_write_that_fails_leaves_no_bundle(
    quick: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Manifest, "save", full)
    with pytest.raises(StorageError, match="No space"):
        exporting.export_bundle(checkpoint, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_replaced_and_anything_else_is_not(
    quick: Path, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = exporting.export_bundle(checkpoint, out)
    (out / "stray").write_text("from before")
    second = exporting.export_bundle(checkpoint, out)
    assert first.contract == second.contract
    assert sorted(p.name for p in out.iterdir()) == sorted([MANIFEST, *second.files])
    link = tmp_path / "current"
    link.symlink_to(out)
    exporting.export_bundle(checkpoint, link)
    assert link.is_symlink()
    mine = tmp_path / "mine"
    mine.mkdir()
    for manifest in (None, '{"name": "my web page", "start_url": "/"}', "[3]", "no JSON"):
        if manifest is not None:
            (mine / MANIFEST).write_text(manifest)
        (mine / "index.html").write_text("my own")
        with pytest.raises(ExportError, match="not a bundle"):
            exporting.export_bundle(checkpoint, mine)
        assert (mine / "index.html").read_text() == "my own"
    with pytest.raises(StorageError, match="cannot write"):
        exporting.export_bundle(tmp_path / "not read", mine / "index.html" / "bundle")


def test_clips_that_touch_each_other_are_seen(bundle: Path, network: GaitNetwork) -> None:
    class Leaky(Graph):
        def embed(self, clips: Sequence[Frames]) -> NDArray[np.float32]:
            return super().embed([*clips[:-1], np.concatenate(clips[-2:])])

    graph = Leaky((bundle / "silhouette.onnx").read_bytes())
    trained = backbone(network, Modality.SILHOUETTE)
    with pytest.raises(ParityError, match=re.escape("(4, 4, 4)")):
        check_shapes(graph, trained.embed, Modality.SILHOUETTE)


def test_an_order_that_changes_is_seen() -> None:
    vectors = random_embeddings(12).reshape(12, 16, 16) * 4
    same = dict.fromkeys(Modality, (vectors[:6], vectors[6:]))
    checks = check_ranking(same, same)
    assert [c.same_order for c in checks] == [6] * 4
    moved = vectors + 0.2 * random_embeddings(12, seed=1).reshape(12, 16, 16)
    with pytest.raises(ParityError, match="swapped"):
        check_ranking(same, same | {Modality.SILHOUETTE: (moved[:6], moved[6:])})


@pytest.mark.parametrize("kind", ["missing", "text", "truncated", "foreign", "version", "model"])
def test_what_is_no_checkpoint_is_one_clear_line(
    kind: str,
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "ckpt.pt"
    content = torch.load(checkpoint, weights_only=True)
    if kind == "text":
        path.write_text("not a checkpoint")
    elif kind == "truncated":
        path.write_bytes(checkpoint.read_bytes()[:-5000])
    elif kind == "foreign":
        torch.save({"state_dict": {"weight": torch.zeros(3)}}, path)
    elif kind == "version":
        torch.save(content | {"version": 99}, path)
    elif kind == "model":
        other = content["config"] | {"model": ModelConfig(channels=(4, 8, 8, 32)).model_dump()}
        torch.save(content | {"config": other}, path)
    monkeypatch.setattr(sys, "argv", ["export.onnx", str(path), "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as exit_:
        run(command.main)
    assert exit_.value.code == 1
    err = capsys.readouterr().err
    assert err.startswith("error [training.checkpoint]: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_command_exports_and_says_so(
    quick: Path,
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    moved = tmp_path / "ckpt.pt"
    moved.write_bytes(checkpoint.read_bytes())
    for arguments in ([], ["--json"]):
        monkeypatch.setattr(sys, "argv", ["export.onnx", str(moved), *arguments])
        with pytest.raises(SystemExit) as exit_:
            run(command.main)
        assert exit_.value.code == 0
    streams = capsys.readouterr()
    text, _, report = streams.out.partition("{")
    assert Manifest.load(tmp_path / "bundle").contract in text
    assert "drawn figures" in text
    assert len(json.loads("{" + report)["rankings"]) == 4
    assert json.loads("{" + report)["variants"].keys() == {"fp32"}
    assert streams.err == ""


@pytest.mark.parametrize("centred", [True, False])
def test_embeddings_that_are_not_centred_are_exported_with_a_warning(
    centred: bool,
    tmp_path: Path,
    quick: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "ckpt.pt"
    model = CONFIG.model.model_copy(update={"centred": centred})
    save_tiny_checkpoint(path, config=CONFIG.model_copy(update={"model": model}))
    monkeypatch.setattr(sys, "argv", ["export.onnx", str(path)])
    with pytest.raises(SystemExit) as exit_:
        run(command.main)
    assert exit_.value.code == 0
    said = capsys.readouterr().err
    assert said.count("\n") == (not centred)
    assert ("warning: the embeddings of" in said) == (not centred)
    assert (f"`python -m train.centre {path} --out centred.pt`" in said) == (not centred)
    assert Manifest.load(tmp_path / "bundle").contract


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of random people, enough of them to calibrate with: 34 × 6 walks."""
    return write_pack(tmp_path_factory.mktemp("packs") / "pack", train=34, test=5, lengths=(2, 4))


@pytest.fixture
def swift(quick: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`quick`, and MinMax takes the place of Entropy, which takes long."""
    methods = dict.fromkeys(quantise.Method, quantise._METHODS[quantise.Method.MINMAX])
    monkeypatch.setattr(quantise, "_METHODS", methods)
    return quick


def test_every_variant_is_measured_and_shares_the_contract(
    swift: Path, checkpoint: Path, people: Path, tmp_path: Path
) -> None:
    out = tmp_path / "bundle"
    made = exporting.export_bundle(checkpoint, out, every_variant(people))
    assert made.contract == Manifest.load(swift).contract
    assert list(made.variants) == list(Variant)
    for variant, build in made.variants.items():
        assert build.accuracy is not None
        assert (build.accuracy.subjects, build.accuracy.walks) == (5, 30)
        assert build.accuracy.simulated
        for d in build.accuracy.directions:
            if d.probe is d.gallery:  # random weights know nobody across sensors
                assert d.before.same.mean > d.before.different.mean
            assert d.after.same.quantiles == tuple(sorted(d.after.same.quantiles))
        assert build.parity.clips == 60
        assert (build.calibration is not None) == (variant is Variant.INT8)
        encoder = Encoder.load(out, device=Device.CPU, variant=variant, threads=1)
        assert encoder.choice.variant is variant
    fp32, fp16, int8 = (made.variants[v].parity for v in Variant)
    assert fp32.difference < 1e-5 < fp16.difference < int8.difference
    calibration = made.variants[Variant.INT8].calibration
    assert calibration is not None
    assert calibration.clips == 204
    assert calibration.data.endswith("pack")
    assert calibration.method in calibration.tried
    assert calibration.tried.keys() == {"minmax", "entropy"}


def _worse(monkeypatch: pytest.MonkeyPatch, variant: Variant, points: float) -> None:
    """Makes a variant lose points of Rank-1, whatever it was measured to."""
    measured = Candidate.loss.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(
        Candidate, "loss", property(lambda c: points if c.variant is variant else measured(c))
    )


def test_a_variant_that_loses_too_much_is_refused_with_the_numbers(
    swift: Path, checkpoint: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _worse(monkeypatch, Variant.FP16, 0.31)
    order = Order(variants=(Variant.FP16,), pack=people, max_loss=0.3)
    with pytest.raises(VariantRefusedError) as refused:
        exporting.export_bundle(checkpoint, tmp_path / "out", order)
    said = str(refused.value)
    assert "fp16 loses 0.31 points of Rank-1, 0.3 allowed" in said
    assert said.count("→") == 8  # four directions, each before → after
    assert "nothing was written" in said
    assert refused.value.fields == {"variant": "fp16", "loss": 0.31, "allowed": 0.3}
    assert list(tmp_path.iterdir()) == []
    _worse(monkeypatch, Variant.FP16, 0.3)
    assert Variant.FP16 in exporting.export_bundle(checkpoint, tmp_path / "out", order).variants


def test_all_keeps_those_that_pass_and_ends_with_code_1(
    swift: Path,
    checkpoint: Path,
    people: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _worse(monkeypatch, Variant.INT8, 2.0)
    out = tmp_path / "out"
    arguments = ["export.onnx", str(checkpoint), "--out", str(out), "--pack", str(people)]
    arguments += ["--variant", "all", "--max-loss", "1.5"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as exit_:
        run(command.main)
    assert exit_.value.code == 1
    streams = capsys.readouterr()
    assert streams.err.startswith("error [export.refused]: int8 refused: int8 loses 2.00 points")
    assert streams.err.count("\n") == 1
    assert "was written without it" in streams.err
    assert "fp16" in streams.out
    assert set(Manifest.load(out).variants) == {Variant.FP32, Variant.FP16}
    assert not [p.name for p in out.iterdir() if "int8" in p.name]


def test_int8_needs_clips_enough_to_calibrate_with(
    quick: Path, checkpoint: Path, tmp_path: Path
) -> None:
    few = write_pack(tmp_path / "few", train=4, test=3, lengths=(1, 2))
    order = Order(variants=(Variant.INT8,), pack=few)
    with pytest.raises(ExportError, match=r"got 24 silhouette clips .* need at least 200"):
        exporting.export_bundle(checkpoint, tmp_path / "out", order)
    assert not (tmp_path / "out").exists()


def test_calibration_clips_can_be_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.variants.calibration.FEWEST", 3)
    folder = tmp_path / "clips" / "somebody"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("not a clip")
    for person in range(3):
        for modality in Modality:
            np.save(folder / f"{person}-{modality}.npy", walk(person, 12, modality).frames)
    found = find_calibration(tmp_path / "clips", RangeStyle.BINS)
    assert (found.count, found.frames) == (3, 24)  # eight frames of each
    assert len(found.sha256) == 64
    (folder / "2-range_view.npy").unlink()
    with pytest.raises(ExportError, match=r"got 2 range_view clips .*; 1 files are no clips"):
        find_calibration(tmp_path / "clips", RangeStyle.BINS)
    with pytest.raises(ExportError, match="no pack or folder of clips"):
        find_calibration(tmp_path / "nowhere", RangeStyle.BINS)


def test_a_variant_cannot_be_measured_without_people(
    quick: Path, checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match="give their --pack"):
        exporting.export_bundle(checkpoint, tmp_path / "out", Order(variants=(Variant.FP16,)))


def test_a_variant_that_gives_nan_is_no_variant(
    quick: Path, checkpoint: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(graph: onnx.ModelProto) -> onnx.ModelProto:
        copy = onnx.load_from_string(graph.SerializeToString())
        tensor = next(t for t in copy.graph.initializer if t.name.endswith("fcs.weight"))
        weights = np.full(tuple(tensor.dims), np.nan, np.float32)
        tensor.CopyFrom(onnx.numpy_helper.from_array(weights, tensor.name))
        return copy

    monkeypatch.setattr("export.variants.candidates.half", broken)
    order = Order(variants=(Variant.FP16,), pack=people, max_loss=100)
    with pytest.raises(ParityError, match="NaN"):
        exporting.export_bundle(checkpoint, tmp_path / "out", order)


def test_a_bundle_of_an_earlier_release_says_what_to_do(bundle: Path, tmp_path: Path) -> None:
    manifest = json.loads((bundle / MANIFEST).read_text())
    manifest |= {"schema_version": 1, "models": {}}
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="export the checkpoint again"):
        Encoder.load(tmp_path)
