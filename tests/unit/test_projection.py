"""The projection of embeddings: what it is fitted to, and where it is used."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gait.errors import ConfigError, PackError
from gait.modality import Modality
from gait.range_style import RangeStyle
from tests.packs import drawn_as, write_pack
from tests.training_setup import tiny_config
from train.centre import main as centre
from train.checkpoint import build_network, load_checkpoint
from train.config import DiffusionConfig, ModelConfig
from train.data.pack import Pack
from train.data.split import split_people
from train.embed import embed_sequences
from train.loop.embedding_projection import fit_projection
from train.loop.learner import Machine
from train.loop.training_run import BEST, TrainingRun
from train.model.network import GaitNetwork
from train.model.projection import Projection, discriminant, maps_and_pictures
from train.project import main

CPU = torch.device("cpu")
PEOPLE = [str(number) for number in range(30) for _ in range(8)]


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return Pack.open(write_pack(tmp_path_factory.mktemp("packs") / "pack", train=9))


def drawn() -> dict[Modality, NDArray[np.float64]]:
    """Walks of 6 numbers: the first tells people, the second the sensor, the others walks."""
    rng = np.random.default_rng(0)
    people = np.repeat(rng.standard_normal(30), 8)
    walks = {}
    for place, modality in enumerate(Modality):
        vectors = rng.standard_normal((len(PEOPLE), 6)) * [0.1, 0.1, 3, 2, 1, 1]
        vectors[:, 0] += people
        vectors[:, 1] += 5 * place
        walks[modality] = vectors
    return walks


def test_the_first_direction_is_the_one_that_tells_people() -> None:
    found = discriminant(drawn(), PEOPLE, 2, 0.1)
    first = np.abs(found[:, 0]) / np.linalg.norm(found[:, 0])
    assert found.shape == (6, 2)
    assert first[0] > 0.99


def test_it_is_the_one_that_solves_fishers_equation() -> None:
    linalg: Any = pytest.importorskip("scipy.linalg")
    walks = drawn()
    centred = np.concatenate([some - some.mean(axis=0) for some in walks.values()])
    within, between = np.zeros((6, 6)), np.zeros((6, 6))
    for person in set(PEOPLE):
        own = centred[[each == person for each in 2 * PEOPLE]]
        mean = own.mean(axis=0)
        between += np.outer(mean, mean)
        for walk in own:
            within += np.outer(walk - mean, walk - mean) / len(centred)
    _, wanted = linalg.eigh(between, within)
    found = discriminant(walks, PEOPLE, 3, 0.0)
    np.testing.assert_allclose(found.T @ within @ found, np.eye(3), atol=1e-9)
    for mine, theirs in zip(found.T, wanted[:, ::-1].T, strict=False):
        np.testing.assert_allclose(mine * np.sign(mine @ theirs), theirs, atol=1e-6)


@pytest.mark.parametrize("dimensions", [30, 7])
def test_more_dimensions_than_there_can_be_are_refused(dimensions: int) -> None:
    with pytest.raises(ConfigError, match=f"projection to {dimensions} dimensions for 30 people"):
        discriminant(drawn(), PEOPLE, dimensions, 0.1)


def test_one_walk_of_each_person_tells_nothing() -> None:
    walks = {Modality.SILHOUETTE: drawn()[Modality.SILHOUETTE][::8]}
    with pytest.raises(ConfigError, match="one walk of each person"):
        discriminant(walks, PEOPLE[::8], 2, 0.1)


def test_a_description_is_roots_of_cells_beside_a_mean_picture() -> None:
    features, pictures = torch.rand(2, 3, 8, 8) - 0.2, torch.rand(2, 1, 32, 32)
    found = maps_and_pictures(features, pictures)
    for clip in range(2):
        cells = [
            features[clip, c, y : y + 2, x : x + 2].clamp(min=0).mean().item() ** 0.5
            for c in range(3)
            for y in range(0, 8, 2)
            for x in range(0, 8, 2)
        ]
        picture = pictures[clip].flatten().numpy()
        own = np.array(cells)
        wanted = np.concatenate(
            [own / np.linalg.norm(own), 0.7 * picture / np.linalg.norm(picture)]
        )
        np.testing.assert_allclose(found[clip].numpy(), wanted, atol=1e-6)


@pytest.mark.parametrize("width", range(8, 65, 8))
def test_maps_of_every_width_are_projected(width: int) -> None:
    model = ModelConfig(
        channels=(4, 8), strides=(4, 2), blocks=(1, 1), parts=4, width=width,
        projection=4, projection_of="maps",
    )  # fmt: skip
    network = GaitNetwork(model, DiffusionConfig(phases=()), 3).eval()
    frames = torch.zeros(2, 3, 1, 64, 64, dtype=torch.uint8)
    with torch.no_grad():
        assert network.embed(frames, Modality.SILHOUETTE).shape == (2, 1, 4)


def test_a_mean_picture_shows_where_somebody_is_in_the_frames_that_count() -> None:
    config = tiny_config(model={"projection": 3, "projection_of": "maps"})
    network = GaitNetwork(config.model, config.diffusion, 4).eval()
    frames = torch.zeros(1, 3, 3, 64, 64, dtype=torch.uint8)
    frames[0, 0, 2, :32] = 128  # the farthest of JET's colours: half of blue
    frames[0, 1, 0, :32] = 255
    frames[0, 2] = 255  # padding
    found = network.description(frames, Modality.RANGE_VIEW, torch.tensor([2]))[0, 0, -1024:]
    picture = found.detach().view(32, 32)
    assert not picture[16:].any()
    np.testing.assert_allclose(picture[:16].numpy(), 0.7 / np.sqrt(16 * 32), rtol=1e-5)


def test_it_is_fitted_to_walks_as_other_sensors_see_them_too(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(model={"projection": 3, "projection_of": "maps"})
    network = GaitNetwork(config.model, config.diffusion, 4)
    told: dict[str, Any] = {}

    def fit(_: Projection, walks: Any, people: list[str], untouched: NDArray[np.bool_]) -> None:
        told.update(walks=walks, people=people, untouched=untouched)

    monkeypatch.setattr(Projection, "fit", fit)
    records = pack.records[:20]
    fit_projection(network, [(pack, records)], CPU, torch.float32)
    names = [f"0 {each.subject}" for each in records]
    assert told["people"] == names + names[::9]
    assert told["untouched"].tolist() == [True] * 20 + [False] * 3
    for walks in told["walks"].values():
        assert walks.shape[0] == 23
        assert (np.abs(walks[20:] - walks[:20][::9]).max(axis=1) > 1e-3).all()


@pytest.mark.parametrize("of", ["embedding", "maps"])
def test_a_finished_run_is_projected_on_those_it_trained_on(
    pack: Pack, tmp_path: Path, of: str
) -> None:
    model = {"projection": 3, "projection_of": of}
    config = tiny_config(optim={"iterations": 2}, model=model)
    split = split_people(pack.records, config)
    TrainingRun(config, pack, split, tmp_path, Machine(CPU)).run()
    network = build_network(load_checkpoint(tmp_path / BEST))
    for embeddings in embed_sequences(network, pack, split.train, CPU):
        assert embeddings.shape[1:] == (1, 3)
        np.testing.assert_allclose(embeddings.mean(axis=0), 0, atol=1e-4)
        assert embeddings.std() > 1e-3


def test_another_run_takes_over_all_but_what_was_fitted(pack: Pack, tmp_path: Path) -> None:
    config = tiny_config(optim={"iterations": 1}, model={"projection": 3})
    split = split_people(pack.records, config)
    run = TrainingRun(config, pack, split, tmp_path, Machine(CPU))
    run.run()
    learner = run._learner
    projection = learner.network.projection
    assert projection is not None
    projection.weight.zero_()
    learner.take_over(load_checkpoint(tmp_path / BEST))
    assert not projection.weight.any()


def test_training_itself_knows_no_projection() -> None:
    config = tiny_config(model={"projection": 3})
    network = GaitNetwork(config.model, config.diffusion, 4).eval()
    first, second = (torch.rand(2, *config.model.latent_shape) for _ in Modality)
    labels = torch.tensor([0, 1])
    before = network.identity_terms(first, second, labels)
    assert network.projection is not None
    network.projection.weight.fill_(1)
    after = network.identity_terms(first, second, labels)
    assert all(torch.equal(term, after[name]) for name, term in before.items())


def test_a_network_without_one_is_not_fitted(pack: Pack) -> None:
    config = tiny_config()
    network = GaitNetwork(config.model, config.diffusion, 4)
    with pytest.raises(ConfigError, match="without a projection"):
        fit_projection(network, [(pack, pack.records)], CPU, torch.float32)


def test_a_checkpoint_is_projected_afterwards_by_people_of_several_packs(
    pack: Pack, tmp_path: Path
) -> None:
    config = tiny_config(optim={"iterations": 2})
    split = split_people(pack.records, config)
    TrainingRun(config, pack, split, tmp_path, Machine(CPU)).run()
    others = write_pack(tmp_path / "others", train=5)
    main(tmp_path / BEST, tmp_path / "once.pt", (pack.path,), dimensions=4)
    main(tmp_path / "once.pt", tmp_path / "twice.pt", (pack.path, others), dimensions=12)
    found = load_checkpoint(tmp_path / "twice.pt")
    assert found.config.model.projection == 12  # more than there are people in either pack
    assert found.optimiser, "training can go on"
    main(tmp_path / "once.pt", tmp_path / "done.pt", (pack.path,), dimensions=4, finished=True)
    done = load_checkpoint(tmp_path / "done.pt")
    assert done.optimiser is None
    assert done.model.keys() == found.model.keys()
    for embeddings in embed_sequences(build_network(found), pack, split.train[:2], CPU):
        assert embeddings.shape == (2, 1, 12)


def test_a_projection_that_no_training_could_have_is_refused(pack: Pack, tmp_path: Path) -> None:
    points = {"range_input": "points"}
    config = tiny_config(optim={"iterations": 1}, model=points, diffusion={"phases": []})
    TrainingRun(config, pack, split_people(pack.records, config), tmp_path, Machine(CPU)).run()
    with pytest.raises(ConfigError, match="range_input points"):
        main(tmp_path / BEST, tmp_path / "out.pt", (pack.path,), dimensions=4, of="maps")
    assert not (tmp_path / "out.pt").exists()


def test_what_is_projected_is_not_centred_afterwards(pack: Pack, tmp_path: Path) -> None:
    config = tiny_config(optim={"iterations": 1}, model={"projection": 3})
    TrainingRun(config, pack, split_people(pack.records, config), tmp_path, Machine(CPU)).run()
    with pytest.raises(ConfigError, match="centre first"):
        centre(tmp_path / BEST, tmp_path / "out.pt", pack.path)
    assert not (tmp_path / "out.pt").exists()


def test_a_pack_of_test_people_alone_is_refused(tmp_path: Path, pack: Pack) -> None:
    config = tiny_config(optim={"iterations": 1})
    TrainingRun(config, pack, split_people(pack.records, config), tmp_path, Machine(CPU)).run()
    others = write_pack(tmp_path / "others", train=0, test=5)
    with pytest.raises(PackError, match="no training people"):
        main(tmp_path / BEST, tmp_path / "out.pt", (others,), dimensions=4)
    drawn = drawn_as(write_pack(tmp_path / "drawn"), RangeStyle.SCATTER)
    with pytest.raises(PackError, match="range views of style scatter"):
        main(tmp_path / BEST, tmp_path / "out.pt", (drawn,), dimensions=4)
    assert not (tmp_path / "out.pt").exists()
