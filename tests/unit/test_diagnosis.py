"""Diagnoses: gaps that are zero where they must be, and failures that are the worst there are."""

from pathlib import Path

import numpy as np
import pytest
import torch

from bench.ablation.rows import ROWS
from bench.ablation.running import run_trial
from bench.ablation.table import ACROSS
from bench.ablation.trial import Trial
from bench.diagnosis.__main__ import _conditions, _look, main
from bench.diagnosis.gaps import clean_latents, measure_gaps
from bench.diagnosis.plots import draw_gaps
from bench.diagnosis.retrievals import extremes
from gait.errors import ConfigError
from gait.metrics import Distance, cosine, euclidean
from gait.modality import Modality
from tests.packs import write_pack
from tests.training_setup import tiny_config
from train.checkpoint import save_checkpoint
from train.data.pack import Pack
from train.diffusion.denoiser import Denoiser
from train.embed import Embeddings
from train.loop.learner import Learner, Machine
from train.loop.training_run import LAST
from train.model.network import GaitNetwork
from train.report.results import score

MACHINE = Machine(torch.device("cpu"))
SIL = Modality.SILHOUETTE


def network(**diffusion: object) -> GaitNetwork:
    torch.manual_seed(0)
    config = tiny_config(diffusion=diffusion)
    found = GaitNetwork(config.model, config.diffusion, 4)
    if found.regularizer is not None:  # the last layer starts at zero, and predicts no noise
        for denoiser in found.regularizer.denoisers:
            assert isinstance(denoiser, Denoiser)
            torch.nn.init.normal_(denoiser.predict.weight, std=0.5)
    return found.eval()


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return Pack.open(write_pack(tmp_path_factory.mktemp("pack") / "pack"))


def test_modalities_with_the_same_latents_have_no_gap_anywhere(pack: Pack) -> None:
    net = network()
    assert net.regularizer is not None
    latents = torch.randn(1, 8, 8, 4, 4).expand(2, -1, -1, -1, -1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.diagnosis.gaps.clean_latents", lambda *_: latents)
        gaps = measure_gaps(net, pack, pack.records, MACHINE)
    assert gaps.latent == gaps.latent_varying == 0
    assert [np.abs(curve).max() for curve in gaps[3:]] == [0, 0, 0, 0]


def test_gaps_are_those_of_the_definition(pack: Pack) -> None:
    net = network()
    with torch.inference_mode():
        z_0 = clean_latents(net, pack, pack.records, MACHINE)
    assert z_0.shape[:2] == (2, len(pack.records))
    gaps = measure_gaps(net, pack, pack.records, MACHINE, (1, 50))
    spread = z_0.var(dim=1).mean().sqrt()
    apart = z_0[0] - z_0[1]
    assert gaps.latent == pytest.approx(float(apart.square().mean().sqrt() / spread))
    assert gaps.latent_varying == pytest.approx(
        float(apart.var(dim=0, correction=0).mean().sqrt() / spread), rel=1e-4
    )
    # At t = 1 hardly any noise is in the latent: the estimate is the latent.
    assert gaps.recovered[0] == pytest.approx(gaps.latent, rel=0.1)
    assert gaps.recovered_varying[0] == pytest.approx(gaps.latent_varying, rel=0.1)
    assert np.array(gaps[3:]).shape == (4, 2)
    assert np.array(gaps[3:]).min() > 0


def test_a_run_without_diffusion_has_no_gaps(pack: Pack) -> None:
    with pytest.raises(ConfigError, match="without diffusion"):
        measure_gaps(network(phases=()), pack, pack.records, MACHINE)


@pytest.mark.parametrize("timesteps", [(), (0,), (101,)])
def test_timesteps_are_those_of_the_schedule(timesteps: tuple[int, ...], pack: Pack) -> None:
    with pytest.raises(ConfigError, match=r"1\.\.100"):
        measure_gaps(network(), pack, pack.records, MACHINE, timesteps)


@pytest.mark.parametrize("distance", Distance)
def test_extremes_are_the_best_and_the_worst_of_all_probes(pack: Pack, distance: Distance) -> None:
    rng = np.random.default_rng(0)
    records = [r for r in pack.records if r.split == "test"]
    found = Embeddings(
        *(rng.standard_normal((len(records), 2, 3)).astype(np.float32) for _ in range(2))
    )
    best, worst = extremes(records, found, SIL, 3, distance)
    by = {Distance.COSINE: cosine, Distance.EUCLIDEAN: euclidean}
    far = by[distance](found.silhouette, found.range_view)
    margins = {}
    for p, probe in enumerate(records):
        if "00-nm" in probe.type:
            continue
        for view in {"000", "090"} - {probe.view}:
            gallery = [g for g, r in enumerate(records) if r.type == "00-nm" and r.view == view]
            right = min(far[p, g] for g in gallery if records[g].subject == probe.subject)
            wrong = min(far[p, g] for g in gallery if records[g].subject != probe.subject)
            margins[p] = wrong - right
    assert best[0].margin == pytest.approx(max(margins.values()), abs=1e-6)
    assert worst[0].margin == pytest.approx(min(margins.values()), abs=1e-6)
    for ends in (best, worst):
        assert len({records[r.probe].subject for r in ends}) == 3
        assert all(r.margin == pytest.approx(margins[r.probe], abs=1e-6) for r in ends)


def test_a_shorter_schedule_is_looked_at_as_far_as_it_goes(pack: Pack) -> None:
    short = network(steps=50, schedule="linear_scaled")
    gaps = measure_gaps(short, pack, pack.records, MACHINE)
    assert list(gaps.timesteps) == [10, 20, 30, 40, 50]
    assert {len(curve) for curve in (gaps.recovered, gaps.bridge, gaps.noise)} == {5}
    full = measure_gaps(network(), pack, pack.records, MACHINE)
    assert b"</svg>" in draw_gaps({"t50": gaps, "full": full})


def test_runs_of_other_people_are_not_looked_at_together(pack: Pack, tmp_path: Path) -> None:
    for seed in (1, 2):
        config = tiny_config()
        walkers = config.walkers.model_copy(update={"seed": seed})
        config = config.model_copy(update={"walkers": walkers})
        learner = Learner(config, ["0", "1", "2", "3"], MACHINE)
        save_checkpoint(
            tmp_path / f"{seed}" / LAST, learner.checkpoint(1, simulated=True, best=None)
        )
    with pytest.raises(ConfigError, match="2 is of other people"):
        main((tmp_path / "1", tmp_path / "2"), tmp_path / "out", pack.path)


@pytest.mark.parametrize(
    ("layout", "packed", "said"),
    [
        ("freegait", True, "pack of layout freegait, need sustech1k, whose protocol"),
        ("sustech1k", False, "needs a packed dataset: give --pack"),
    ],
)
def test_what_cannot_be_looked_at_is_refused_before_any_work(
    tmp_path: Path, layout: str, packed: bool, said: str
) -> None:
    other = write_pack(tmp_path / "pack", layout=layout)
    learner = Learner(tiny_config(), ["0", "1", "2", "3"], MACHINE)
    save_checkpoint(tmp_path / "run" / LAST, learner.checkpoint(1, simulated=False, best=None))
    with pytest.raises(ConfigError, match=said):
        main((tmp_path / "run",), tmp_path / "out", other if packed else None)
    assert not (tmp_path / "out").exists()


def test_the_command_draws_everything(
    pack: Pack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset = tiny_config(optim={"iterations": 2})
    folders = []
    for row in ("full", "base"):
        trial = Trial(preset, ROWS[row], 0, tmp_path / "runs", tmp_path / "results")
        run_trial(trial, pack, MACHINE)
        folders.append(trial.folder)
    main(tuple(folders), tmp_path / "out", pack.path, walks=12, strips=2)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "cmc.png",
        "conditions.svg",
        "found-range_view.png",
        "found-silhouette.png",
        "gaps.json",
        "gaps.svg",
        "missed-range_view.png",
        "missed-silhouette.png",
        "people.png",
    ]
    assert "base-0 has no diffusion branch" in capsys.readouterr().err


def test_a_run_is_looked_at_by_the_distance_it_goes_by(
    pack: Pack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny_config(model={"centred": False}, diffusion={"phases": []})
    learner = Learner(config, ["0", "1", "2", "3"], MACHINE)
    save_checkpoint(tmp_path / LAST, learner.checkpoint(1, simulated=True, best=None))
    records = [r for r in pack.records if r.split == "test"]
    seen = _look(tmp_path, pack, records, MACHINE)
    assert seen.label == f"{tmp_path.name}, euclidean distance"
    result = score(pack, records, seen.embeddings, bootstrap=1)
    for condition, found in _conditions(records, seen).items():
        own = [
            result.score(probe=p, gallery=g, distance="euclidean", condition=condition).value
            for p, g in ACROSS
        ]
        assert found.value == pytest.approx(np.mean(own), abs=1e-3)
    main((tmp_path,), tmp_path / "out", pack.path, walks=12, strips=2)
    lines = [line for line in capsys.readouterr().out.splitlines() if ", margin " in line]
    assert len(lines) == 8
    assert all(line.endswith("by euclidean distance") for line in lines)


@pytest.mark.parametrize("of", ["the run", "the pack"])
@pytest.mark.parametrize("modality", Modality)
def test_one_sensor_is_looked_at_within_itself(
    modality: Modality, of: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = tuple(Modality) if of == "the run" else (modality,)
    small = write_pack(tmp_path / "pack", modalities=kinds)
    alone = {"model": {"modalities": [modality]}, "diffusion": {"phases": []}}
    config = tiny_config(**(alone if of == "the run" else {}))  # type: ignore[arg-type]
    learner = Learner(config, ["0", "1", "2", "3"], MACHINE)
    save_checkpoint(tmp_path / "run" / LAST, learner.checkpoint(1, simulated=True, best=None))
    main((tmp_path / "run",), tmp_path / "out", small, walks=12, strips=2)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "cmc.png",
        "conditions.svg",
        f"found-{modality}.png",
        f"missed-{modality}.png",
        "people.png",
    ]
    records = [r for r in Pack.open(small).records if r.split == "test"]
    seen = _look(tmp_path / "run", Pack.open(small), records, MACHINE)
    assert seen.ways == [(modality, modality)]
    assert seen.label == f"run, cosine distance, {modality} alone"
    assert "no gaps" in capsys.readouterr().err
