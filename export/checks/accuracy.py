"""Retrieval before and after: what a variant loses on people the network was not trained on."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from export.checks.parity import Graph
from gait.errors import ExportError, ParityError
from gait.modality import Modality
from gait.sampling import evenly
from gait.variant import Accuracy, Direction, Parity, Similarities, Spread
from train.data.pack import Pack, Record
from train.dataset_layouts import layout_named
from train.embed import Embeddings, embed_sequences
from train.model.network import GaitNetwork
from train.report.results import score

WALKS = 2000
"""Walks used at most: whole people, chosen by the hash of their names."""

FRAMES = 30
"""Frames of a walk, from its beginning, as many as the service looks at."""

_RUN_FRAMES = 128


@dataclass(frozen=True, eq=False)
class TestWalks:
    """Walks of a pack's test people, with gallery and probes by the protocol of its layout."""

    pack: Pack
    records: Sequence[Record]

    @classmethod
    def of(cls, path: Path, most: int = WALKS) -> "TestWalks":
        """All walks of as many test people as have at most so many, and of one at least.

        Raises:
            PackError: it is not a whole pack.
            ExportError: it has no test people.
        """
        pack = Pack.open(path)
        test = [pack.records[row] for row in pack.of_split("test")]
        people = sorted({record.subject for record in test}, key=_hash)
        if not people:
            raise ExportError(f"{path} has no test people to measure accuracy on")
        walks = {person: [r for r in test if r.subject == person] for person in people}
        chosen: list[Record] = []
        for person in people:
            if chosen and len(chosen) + len(walks[person]) > most:
                break
            chosen += [replace(r, length=min(r.length, FRAMES)) for r in walks[person]]
        return cls(pack, sorted(chosen, key=lambda record: record.start))

    def of_trained(self, people: int, each: int) -> "TestWalks":
        """Walks of people of the pack whom the network was trained on.

        Args:
            people: at most so many, chosen by the hash of their names.
            each: so many walks of each at most, spread over all.
        """
        walks = dict[str, list[Record]]()
        for row in self.pack.of_split("train"):
            walks.setdefault(self.pack.records[row].subject, []).append(self.pack.records[row])
        chosen = [
            replace(walks[person][place], length=min(walks[person][place].length, FRAMES))
            for person in sorted(walks, key=_hash)[:people]
            for place in evenly(len(walks[person]), each)
        ]
        return TestWalks(self.pack, sorted(chosen, key=lambda record: record.start))

    def by_network(self, network: GaitNetwork) -> Embeddings:
        """Embeddings by the trained network in torch, parts of unit norm."""
        found = embed_sequences(network, self.pack, self.records, torch.device("cpu"))
        return Embeddings(*(e / np.linalg.norm(e, axis=2, keepdims=True) for e in found))

    def by_graph(self, model: bytes, modality: Modality) -> NDArray[np.float32]:
        """Embeddings `(n, p, d)` by an exported graph."""
        graph = Graph(model)
        rows = [
            graph.embed([self.pack.frames(record, modality) for record in records])
            for records in self._runs()
        ]
        return np.concatenate(rows)

    @property
    def in_gallery(self) -> NDArray[np.bool_]:
        """Which walks are enrolled; the others are probes."""
        layout = layout_named(self.pack.layout)
        return np.array([layout.in_gallery(record) for record in self.records])

    def _runs(self) -> list[list[Record]]:
        runs: list[list[Record]] = [[]]
        for record in self.records:
            if runs[-1] and sum(r.length for r in runs[-1]) + record.length > _RUN_FRAMES:
                runs.append([])
            runs[-1].append(record)
        return runs


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def accuracy(walks: TestWalks, trained: Embeddings, fp32: Embeddings, own: Embeddings) -> Accuracy:
    """Rank-1 and similarities in four directions: by the trained network, by the variant, and with
    probes by one and the gallery by the other of the variant and fp32.

    Raises:
        EvaluationError: the walks lack gallery or probes.
    """
    pairings = {
        "trained": (trained, trained),
        "own": (own, own),
        "to_fp32": (own, fp32),
        "from_fp32": (fp32, own),
    }
    found = {name: _rank1(walks, *pairing) for name, pairing in pairings.items()}
    directions = tuple(
        Direction(
            probe=probe,
            gallery=gallery,
            **{name: rank1[probe, gallery] for name, rank1 in found.items()},
            before=_similarities(walks, trained, probe, gallery),
            after=_similarities(walks, own, probe, gallery),
        )
        for probe, gallery in product(Modality, Modality)
    )
    return Accuracy(
        data=f"test people of {walks.pack.path.name}",
        simulated=walks.pack.simulated,
        subjects=len({record.subject for record in walks.records}),
        walks=len(walks.records),
        directions=directions,
    )


def parity(trained: Embeddings, own: Embeddings) -> Parity:
    """How far embeddings `(n, p, d)` of both modalities are from the trained network's.

    Raises:
        ParityError: a number is not finite.
    """
    want, got = np.concatenate(trained), np.concatenate(own)
    if not np.isfinite(got).all():
        raise ParityError(f"the network gives {np.isnan(got).sum()} NaN and infinite numbers")
    alike = np.einsum("npd,npd->n", want, got) / want.shape[1]
    return Parity(
        clips=len(want),
        difference=float(np.abs(want - got).max()),
        similarity=float(alike.min()),
        mean_similarity=float(alike.mean()),
    )


def _rank1(
    walks: TestWalks, probes: Embeddings, enrolled: Embeddings
) -> dict[tuple[Modality, Modality], float]:
    mask = walks.in_gallery[:, np.newaxis, np.newaxis]
    mixed = Embeddings(*(np.where(mask, e, p) for p, e in zip(probes, enrolled, strict=True)))
    result = score(walks.pack, list(walks.records), mixed, ranks=(1,), bootstrap=1)
    return {
        (probe, gallery): result.score(probe=probe, gallery=gallery).value
        for probe, gallery in product(Modality, Modality)
    }


def _similarities(
    walks: TestWalks, embeddings: Embeddings, probe: Modality, gallery: Modality
) -> Similarities:
    sides = dict(zip(Modality, embeddings, strict=True))
    mask = walks.in_gallery
    subjects = np.array([record.subject for record in walks.records])
    probes, enrolled = (
        sides[modality][rows].reshape(rows.sum(), -1)
        for modality, rows in ((probe, ~mask), (gallery, mask))
    )
    alike = probes @ enrolled.T / embeddings.silhouette.shape[1]
    same = subjects[~mask][:, np.newaxis] == subjects[mask]
    return Similarities(same=Spread.of(alike[same]), different=Spread.of(alike[~same]))
