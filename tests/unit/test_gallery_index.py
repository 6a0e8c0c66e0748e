"""The index against a naive search over all templates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gait.modality import Modality
from gallery.index import Index
from gallery.template import Template
from tests.galleries import DIMENSION, random_embeddings

pytestmark = pytest.mark.serving

Ranked = list[tuple[str, int]]


def _templates(count: int, subjects: int, seed: int) -> list[Template]:
    rng = np.random.default_rng(seed)
    return [
        Template(
            row + 1,
            f"s{rng.integers(subjects)}",
            list(Modality)[rng.integers(2)],
            "test",
            10,
            "2026-01-01T00:00:00+00:00",
            "consent 17",
            "2999-01-01T00:00:00+00:00",
            f"{row:064x}",
        )
        for row in range(count)
    ]


def _naive(
    templates: list[Template], similarity: np.ndarray, top_k: int, modalities: list[Modality]
) -> Ranked:
    best: dict[str, int] = {}
    for row in np.argsort(-similarity):
        if templates[row].modality in modalities:
            best.setdefault(templates[row].subject, templates[row].id)
    return list(best.items())[:top_k]


def _empty() -> Index:
    return Index.of(0, [], np.empty((0, DIMENSION), np.float32))


@settings(deadline=None, max_examples=60)
@given(
    count=st.integers(1, 80),
    subjects=st.integers(1, 20),
    step=st.integers(1, 30),
    top_k=st.integers(1, 25),
    seed=st.integers(0, 10_000),
    removed=st.integers(0, 19),
    modalities=st.sampled_from([list(Modality), [Modality.SILHOUETTE], [Modality.RANGE_VIEW]]),
)
def test_search_equals_the_naive_one(
    count: int,
    subjects: int,
    step: int,
    top_k: int,
    seed: int,
    removed: int,
    modalities: list[Modality],
) -> None:
    templates = _templates(count, subjects, seed)
    embeddings = random_embeddings(count, seed)
    index = _empty()
    for start in range(0, count, step):
        rows = slice(start, start + step)
        index = index.plus(start + 1, templates[rows], embeddings[rows])
    index = index.without(count, f"s{removed}")
    keep = [row for row, t in enumerate(templates) if t.subject != f"s{removed}"]
    query = random_embeddings(1, seed + 1)[0]
    want = _naive([templates[r] for r in keep], embeddings[keep] @ query, top_k, modalities)
    found = index.search(query, top_k, modalities)
    assert [(c.subject, c.template) for c in found] == want
    by_id = {t.id: embeddings[row] for row, t in enumerate(templates)}
    for candidate in found:
        assert candidate.similarity == pytest.approx(by_id[candidate.template] @ query, abs=1e-6)


def test_a_subject_with_many_templates_hides_nobody() -> None:
    query = random_embeddings(1, 1)[0]
    near = np.repeat(query[np.newaxis], 200, axis=0)
    embeddings = np.concatenate([near, random_embeddings(3, 2)])
    names = ["crowd"] * 200 + ["a", "b", "c"]
    templates = [
        Template(i + 1, n, Modality.SILHOUETTE, "", 1, "", "", "", "") for i, n in enumerate(names)
    ]
    found = Index.of(1, templates, embeddings).search(query, 4, list(Modality))
    assert found[0].subject == "crowd"
    assert {c.subject for c in found} == {"crowd", "a", "b", "c"}


def test_an_index_is_not_changed_by_what_is_made_from_it() -> None:
    templates, embeddings = _templates(10, 3, 0), random_embeddings(10)
    index = Index.of(1, templates, embeddings)
    before = index.search(embeddings[0], 3, list(Modality))
    index.without(2, templates[0].subject)
    index.plus(2, _templates(10, 3, 1), random_embeddings(10, 1))
    assert index.search(embeddings[0], 3, list(Modality)) == before
    assert index.revision == 1


def test_segments_stay_few_as_the_gallery_grows_one_by_one() -> None:
    index = _empty()
    embeddings = random_embeddings(300)
    for row in range(300):
        template = Template(row + 1, f"s{row}", Modality.SILHOUETTE, "", 1, "", "", "", "")
        index = index.plus(row + 1, [template], embeddings[row : row + 1])
    sizes = [len(s.templates) for s in index.segments[Modality.SILHOUETTE]]
    assert sum(sizes) == 300
    assert len(sizes) <= 9  # log2(300) rounded up
    assert index.last == 300


def test_an_empty_index_finds_nobody() -> None:
    assert _empty().search(random_embeddings(1)[0], 5, list(Modality)) == []
    assert _empty().last == 0
