"""The report: whose nearest walks are shown, in which colour, and that nothing is fetched."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gait.metrics import Distance, cosine, euclidean
from gait.modality import Modality
from tests.packs import write_pack
from tests.training_setup import tiny_config
from train.data.pack import Pack, Record
from train.data.partition import Role
from train.data.split import split_people
from train.data.sustech1k import SUSTECH1K
from train.dataset_layouts import layout_named
from train.embed import Embeddings, by_modality
from train.loop.learner import Machine
from train.loop.training_run import TrainingRun
from train.protocols.result import ProtocolResult
from train.report.open_set import draw_open_set, missed, open_searches, open_set_html
from train.report.plots import CMC_RANKS, cmc_curves, draw_losses
from train.report.results import evaluate_run, score
from train.report.strips import BORDER, GREEN, GREY, RED, framed, retrieval_strips, to_png
from train.report.summary import DIRECTIONS, summary_html, summary_text

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return Pack.open(write_pack(tmp_path_factory.mktemp("packs") / "pack", test=9))


@pytest.fixture(scope="module")
def records(pack: Pack) -> list[Record]:
    return [record for record in pack.records if record.split == "test"]


@pytest.fixture(scope="module")
def embeddings(records: list[Record]) -> Embeddings:
    """People found half of the time."""
    rng = np.random.default_rng(0)
    centres = {r.subject: rng.normal(size=(4, 8)) for r in records}
    both = [
        np.stack([centres[r.subject] + rng.normal(size=(4, 8)) for r in records]) for _ in range(2)
    ]
    return Embeddings(*(vectors.astype(np.float32) for vectors in both))


@pytest.fixture(scope="module")
def result(pack: Pack, records: list[Record], embeddings: Embeddings) -> ProtocolResult:
    return score(pack, records, embeddings, bootstrap=20)


def colours(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> list[tuple[int, ...]]:
    """The frame of each picture in a strip."""
    width = 2 * 64 + 2 * BORDER
    return [tuple(map(int, picture[0, x])) for x in range(0, picture.shape[1], width)]


@pytest.mark.parametrize("probe", Modality)
def test_green_is_the_same_person_and_red_another(
    pack: Pack, records: list[Record], embeddings: Embeddings, probe: Modality
) -> None:
    strips = retrieval_strips(pack, records, embeddings, SUSTECH1K, probe, count=9)
    assert len(strips) == 9
    assert {hit for strip in strips for hit in strip.hits} == {True, False}
    for strip in strips:
        assert colours(strip.picture) == [GREY, *(GREEN if hit else RED for hit in strip.hits)]
        assert sum(strip.hits) <= 1, "one gallery view shows each person once"


def test_strips_show_the_nearest_of_the_other_sensor_from_another_view(
    pack: Pack, records: list[Record], embeddings: Embeddings
) -> None:
    for strip in retrieval_strips(
        pack, records, embeddings, SUSTECH1K, Modality.SILHOUETTE, count=4
    ):
        found = re.fullmatch(
            r"probe (\S+), view (\S+); gallery 00-nm, view (\S+), 9 walks", strip.caption
        )
        assert found
        kind, view, other = found.groups()
        assert kind != "00-nm"
        assert view != other
        gallery = [i for i, r in enumerate(records) if (r.type, r.view) == ("00-nm", other)]
        shown = strip.picture[BORDER:-BORDER:2, BORDER : BORDER + 128 : 2]
        (index,) = [
            i
            for i, r in enumerate(records)
            if (r.type, r.view) == (kind, view)
            and np.array_equal(shown[..., 0], middle(pack, r, Modality.SILHOUETTE)[0])
        ]
        far = cosine(embeddings.silhouette[[index]], embeddings.range_view[gallery])[0]
        nearest = [records[gallery[i]] for i in np.argsort(far)[:5]]
        assert strip.hits == tuple(r.subject == records[index].subject for r in nearest)
        first = strip.picture[BORDER:-BORDER:2, 128 + 3 * BORDER : 256 + 3 * BORDER : 2]
        seen = middle(pack, nearest[0], Modality.RANGE_VIEW)
        assert np.array_equal(first, np.moveaxis(seen, 0, 2))


def middle(
    pack: Pack, record: Record, modality: Modality
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    frames = pack.frames(record, modality)
    return np.asarray(frames[len(frames) // 2])


def test_pictures_are_png_in_rgb() -> None:
    red = np.zeros((1, 3, 64, 64), np.uint8)
    red[:, 0] = 255
    picture = framed(red, GREY)
    assert picture.shape == (128 + 2 * BORDER, 128 + 2 * BORDER, 3)
    assert picture[64, 64].tolist() == [255, 0, 0]
    assert to_png(picture).startswith(PNG)


def test_the_summary_holds_the_scores(result: ProtocolResult) -> None:
    text, page = summary_text(result), summary_html(result)
    assert "simulated people" in text
    for probe, gallery in DIRECTIONS:
        value = result.score(probe=probe, gallery=gallery, condition="Bag").value
        line = next(line for line in text.splitlines() if line.startswith("Bag"))
        assert f"{value:.1f} [" in line
        assert f"<td>{value:.1f} <small>" in page
        assert f"{probe} → {gallery}" in text
    assert "Umbrella" not in text, "conditions without probes are left out"
    told = result.model_copy(update={"left_out": {"no gallery item": 3}, "notes": ("one",)})
    assert summary_text(told).splitlines()[-3:] == [
        f"gallery: {result.gallery_rule}",
        "probes left out, no gallery item: 3",
        "note: one",
    ]


def test_cmc_curves_rise_to_everybody(
    pack: Pack, records: list[Record], embeddings: Embeddings
) -> None:
    curves = cmc_curves(score(pack, records, embeddings, ranks=CMC_RANKS, bootstrap=1))
    assert list(curves) == list(DIRECTIONS)
    for values in curves.values():
        assert list(values) == sorted(values)
        assert values[8] == 100, "nine people are all found by rank 9"


@pytest.mark.parametrize("distance", Distance)
def test_strangers_are_counted_as_by_a_naive_loop(
    records: list[Record], embeddings: Embeddings, distance: Distance
) -> None:
    layout = layout_named("sustech1k")
    searches = open_searches(records, by_modality(embeddings), layout, distance)
    assert list(searches) == [f"{probe} → {gallery}" for probe, gallery in DIRECTIONS]
    one = searches["silhouette → range_view"]
    assert one.size == 8
    people = sorted({r.subject for r in records})
    probes = [i for i, r in enumerate(records) if layout.is_probe(r)]
    own, others = [], []
    for i in probes:
        found = {}
        for person in people:
            walks = [
                j
                for j, r in enumerate(records)
                if layout.in_gallery(r) and r.subject == person and r.view != records[i].view
            ]
            sides = embeddings.silhouette[[i]], embeddings.range_view[walks]
            alike = -euclidean(*sides)[0] if distance == "euclidean" else 1 - cosine(*sides)[0]
            found[person] = np.mean(np.sort(alike)[-2:])
        own.append(found.pop(records[i].subject))
        others.append(max(found.values()))
    assert one.own == pytest.approx(own, abs=1e-5)
    assert one.others == pytest.approx(others, abs=1e-5)
    threshold = sorted(others)[-int(0.2 * len(others))]
    lost = [a <= max(b, threshold) for a, b in zip(own, others, strict=True)]
    assert missed(one, 0.2)[0] == pytest.approx(np.mean(lost), abs=1.5 / len(own))
    page = open_set_html(searches)
    assert "takes 100 people" in page
    assert draw_open_set(searches).startswith(PNG)


@pytest.mark.parametrize("steps", [0, 1, 250])
def test_losses_are_drawn_however_few(steps: int) -> None:
    rows = [{"iteration": i, "lr": 0.1, "total": 1 / (i + 1), "ce": 0.5} for i in range(steps)]
    assert draw_losses([*rows, {"iteration": steps, "validation_a": 1.0}]).startswith(PNG)


def test_a_run_ends_with_results_curves_and_a_page_of_its_own(pack: Pack, tmp_path: Path) -> None:
    config, machine = tiny_config(optim={"iterations": 4}), Machine(torch.device("cpu"))
    split = split_people(pack.records, config)
    TrainingRun(config, pack, split, tmp_path, machine).run()
    result = evaluate_run(tmp_path, pack, machine)
    assert ProtocolResult.from_json((tmp_path / "results.json").read_bytes()) == result
    assert json.loads((tmp_path / "results.json").read_text())["simulated"] is True
    assert (tmp_path / "cmc.png").read_bytes().startswith(PNG)
    page = (tmp_path / "report.html").read_text()
    links = re.findall(r"\b(?:src|href)=[\"'](.*?)[\"']", page)
    assert len(links) == 3 + 2 * 6
    assert all(link.startswith("data:image/png;base64,") for link in links)
    assert not re.search(r"@import|url\(|<script|<link", page)
    assert "<strong>simulated</strong>" in page
    assert "9 unseen simulated people" in page
    assert "five nearest walks of the other sensor" in page
    assert "$" not in re.sub(r"base64,[^\"]*", "", page), "every placeholder is filled"


@pytest.mark.parametrize(("centred", "own"), [(True, "cosine"), (False, "euclidean")])
def test_a_report_names_the_distance_that_its_run_goes_by(
    pack: Pack, tmp_path: Path, centred: bool, own: str
) -> None:
    config = tiny_config(
        model={"centred": centred}, diffusion={"phases": []}, optim={"iterations": 2}
    )
    machine = Machine(torch.device("cpu"))
    TrainingRun(config, pack, split_people(pack.records, config), tmp_path, machine).run()
    evaluate_run(tmp_path, pack, machine)
    page = (tmp_path / "report.html").read_text()
    assert f"This model is compared by\n{own} distance" in page
    assert f"<h2>Strangers, {own} distance</h2>" in page
    headings = re.findall(r"<h3>.*?, (\w+) distance</h3>", page)
    assert headings == [own, own]
    captions = re.findall(r"<caption>Rank-1 %, (\w+) distance</caption>", page)
    assert captions[0] == own


def test_a_person_nothing_is_compared_with_is_missed_by_either_distance(
    records: list[Record], embeddings: Embeddings
) -> None:
    """A gallery walk from the probe's own view alone is never compared."""
    kept = [i for i, r in enumerate(records) if r.view == "000" or r.subject != "0006"]
    some, parts = [records[i] for i in kept], [e[kept] for e in embeddings]
    for distance in Distance:
        searches = open_searches(
            some, by_modality(Embeddings(*parts)), layout_named("sustech1k"), distance
        )
        for one in searches.values():
            assert np.isfinite([*one.own, *one.others]).all()
            assert (one.own <= one.others)[one.whose == "0006"].all()
        assert draw_open_set(searches).startswith(PNG)


def test_somebody_who_is_not_enrolled_is_not_missed(
    records: list[Record], embeddings: Embeddings
) -> None:
    """FreeGait's protocol leaves such probes out; a share of the enrolled cannot count them."""
    roles: list[Role | None] = [None if r.subject == "0006" else "gallery" for r in records]
    listed = [
        replace(r, role=role if r.type.startswith("00") else "probe")
        for r, role in zip(records, roles, strict=True)
    ]
    searches = open_searches(
        listed, by_modality(embeddings), layout_named("freegait"), Distance.COSINE
    )
    for one in searches.values():
        assert one.size == len({r.subject for r in records}) - 2
        assert "0006" not in one.whose
