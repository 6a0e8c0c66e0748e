"""Retrieval strips: a probe of one modality and its nearest gallery walks of the other."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gait.clip import Frames
from gait.metrics import Distance, Parts, distances
from gait.modality import Modality
from train.data.dataset_layout import DatasetLayout, Embedded
from train.data.pack import Pack, Record
from train.embed import Embeddings, by_modality

NEAREST = 5
ZOOM = 2
BORDER = 6
GREEN, RED, GREY = (40, 160, 60), (200, 50, 40), (150, 150, 150)


@dataclass(frozen=True, eq=False)
class Strip:
    """One probe and what was found for it.

    Args:
        caption: which walk, and which gallery.
        hits: for each of the nearest, whether it is the probe's subject.
        picture: `(h, w, 3)` uint8 RGB: the probe, then the nearest from left to right.
    """

    caption: str
    hits: tuple[bool, ...]
    picture: NDArray[np.uint8]


def retrieval_strips(
    pack: Pack,
    records: Sequence[Record],
    embeddings: Embeddings | Embedded,
    layout: DatasetLayout,
    probe: Modality,
    distance: Distance = Distance.COSINE,
    count: int = 6,
    seed: int = 0,
) -> list[Strip]:
    """Strips of randomly drawn probes, each against one gallery view as in the protocol.

    Args:
        pack: where the frames are.
        records: the test walks.
        embeddings: theirs.
        layout: which of them are enrolled and which are probes.
        probe: modality of the probes; the gallery's is the other, if there is one.
        distance: by which the nearest are found.
        count: how many probes, of different people as far as there are.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    strips = []
    for index in _draw_probes(records, layout, count, rng):
        gallery = _gallery_of(records, layout, records[index], rng)
        if len(gallery):
            strips.append(draw_strip(pack, records, embeddings, probe, index, gallery, distance))
    return strips


def _draw_probes(
    records: Sequence[Record], layout: DatasetLayout, count: int, rng: np.random.Generator
) -> list[int]:
    """A walk each of `count` people who have probes."""
    of_person: dict[str, list[int]] = {}
    for index, record in enumerate(records):
        if layout.is_probe(record):
            of_person.setdefault(record.subject, []).append(index)
    people = rng.permutation(sorted(of_person))[:count]
    return [int(rng.choice(of_person[person])) for person in people]


def _gallery_of(
    records: Sequence[Record], layout: DatasetLayout, probe: Record, rng: np.random.Generator
) -> NDArray[np.intp]:
    """The protocol's gallery for a probe: one other view drawn, or the whole gallery."""
    if not layout.one_view:
        return np.flatnonzero([layout.in_gallery(record) for record in records])
    views = sorted({r.view for r in records if layout.in_gallery(r)} - {probe.view})
    if not views:
        return np.empty(0, np.intp)
    view = rng.choice(views)
    return np.flatnonzero([layout.in_gallery(r) and r.view == view for r in records])


def searched(embeddings: Embeddings | Embedded, probe: Modality) -> Modality:
    """The modality that probes are looked up in: the other one, or their own where it is alone."""
    other = probe.counterpart
    return other if other in by_modality(embeddings) else probe


def draw_strip(
    pack: Pack,
    records: Sequence[Record],
    embeddings: Embeddings | Embedded,
    modality: Modality,
    index: int,
    gallery: NDArray[np.intp],
    distance: Distance = Distance.COSINE,
) -> Strip:
    """One probe against some gallery walks.

    Args:
        pack: where the frames are.
        records: the test walks.
        embeddings: theirs.
        modality: of the probe; the gallery's is the other.
        index: position of the probe.
        gallery: positions of the gallery's walks.
        distance: by which the nearest are found.
    """
    vectors, other = by_modality(embeddings), searched(embeddings, modality)
    both = Parts.of(vectors[modality][[index]]), Parts.of(vectors[other][gallery])
    far = distances(*both)[distance][0]
    nearest = [records[i] for i in gallery[np.argsort(far, kind="stable")[:NEAREST]]]
    probe = records[index]
    hits = tuple(record.subject == probe.subject for record in nearest)
    pictures = [framed(pack.frames(probe, modality), GREY)]
    pictures += [
        framed(pack.frames(record, other), GREEN if hit else RED)
        for record, hit in zip(nearest, hits, strict=True)
    ]
    return Strip(
        f"probe {probe.type}, view {probe.view}; gallery{_alike(records, gallery)}, "
        f"{len(gallery)} walks",
        hits,
        np.concatenate(pictures, axis=1),
    )


def _alike(records: Sequence[Record], walks: NDArray[np.intp]) -> str:
    """The type and the view of walks that share them, for a caption."""
    types, views = ({getattr(records[i], name) for i in walks} for name in ("type", "view"))
    of_type = f" {min(types)}" if len(types) == 1 else ""
    return of_type + (f", view {min(views)}" if len(views) == 1 else ", all views")


def framed(frames: Frames, colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A walk's middle frame, enlarged, in a coloured frame.

    Args:
        frames: `(s, c, 64, 64)` uint8, one channel or RGB.
        colour: RGB.

    Returns:
        `(h, w, 3)` uint8 RGB.
    """
    middle = np.moveaxis(np.asarray(frames[len(frames) // 2]), 0, 2)
    rgb = np.broadcast_to(middle, (*middle.shape[:2], 3))
    large = rgb.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
    picture = np.empty((large.shape[0] + 2 * BORDER, large.shape[1] + 2 * BORDER, 3), np.uint8)
    picture[:] = colour
    picture[BORDER:-BORDER, BORDER:-BORDER] = large
    return picture


def to_png(picture: NDArray[np.uint8]) -> bytes:
    """An RGB picture as PNG."""
    _, data = cv2.imencode(".png", picture[..., ::-1])
    return data.tobytes()
