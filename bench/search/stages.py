"""The stages of one size of `bench.gallery`. Each runs in a process of its own.

A trial's people and their clips are a function of its seed, so that each stage can make them again:
the exact answers come from the embeddings themselves and not from a gallery.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
from gallery.index.rung import RungName
from numpy.typing import NDArray

from bench.accuracy.embedded_walks import embedded_walks
from bench.measuring.process_memory import ProcessMemory
from bench.search.sampled_people import Lift, Matrix, Population, Sample
from gait.errors import GaitError
from gait.modality import Modality
from gallery.decision.fusion import Fusion
from gallery.gallery import Gallery, create_gallery, open_gallery
from gallery.template import Authorisation, Enrolment

EACH = 4
"""Templates of a person, half of them of each modality."""
BLOCK = 1000
"""Templates made, and enrolled, together."""
DEEP = 10
"""Candidates asked for and compared with the exact ones."""
IN_FLIGHT = 32
CHANGES = 50
"""People enrolled and erased again, one at a time."""

Results = dict[str, float | str]


@dataclass(frozen=True)
class Trial:
    """One size.

    Args:
        folder: of the gallery, the bundle, and the exact answers.
        size: templates, a multiple of `BLOCK`.
        queries: probes.
        bundle: of the model whose embeddings are fitted.
        dataset: simulated people that it was not trained on.
        index: the rung to use at any size; None leaves it to the size.
    """

    folder: Path
    size: int
    queries: int
    bundle: Path
    dataset: Path
    index: RungName | None

    @property
    def gallery(self) -> str:
        """Where the gallery is."""
        return str(self.folder / f"gallery-{self.size}")

    def population(self) -> Population:
        """Fitted to the embedded walks."""
        return Population.of(embedded_walks(self.dataset, self.bundle, self.folder))

    def block(self, population: Population, number: int) -> tuple[Matrix, Sample]:
        """People of a block, and their clips, `EACH` in a row."""
        own = population.people(BLOCK // EACH, np.random.default_rng((1, number)))
        sensors = np.tile(np.arange(EACH) % 2, len(own))
        return own, population.clips(np.repeat(own, EACH, axis=0), sensors, number)

    def blocks(self) -> int:
        """How many there are."""
        return self.size // BLOCK

    def probes(self, population: Population) -> Sample:
        """Further clips of some of the people, by either sensor."""
        rng = np.random.default_rng(2)
        places = np.sort(rng.choice(self.size // EACH, self.queries))
        per = BLOCK // EACH
        own = [self.block(population, place // per)[0][place % per] for place in places.tolist()]
        return population.clips(np.array(own), rng.integers(2, size=self.queries), -1 % 2**32)


def fill(trial: Trial) -> Results:
    """Enrols everybody through the gallery, going on where an earlier call stopped."""
    population = trial.population()
    lift = Lift.of(population.parts, population.dimension // population.parts)
    authorisation = Authorisation("benchmark", datetime.now(UTC) + timedelta(days=365))
    memory = ProcessMemory()
    seconds, made = 0.0, 0
    with _opened(trial) as gallery:
        for number in range(gallery.counts().templates // BLOCK, trial.blocks()):
            sample = trial.block(population, number)[1]
            people = np.arange(BLOCK) // EACH + number * (BLOCK // EACH)
            batch = _enrolments(lift(sample.embeddings), people, sample.modalities, authorisation)
            start = time.perf_counter()
            gallery.enrol(batch)
            seconds += time.perf_counter() - start
            made += BLOCK
    return {
        "templates": made,
        "seconds": seconds,
        "templates_per_second": made / seconds if made else float("nan"),
        "peak_mb": memory.peak(),
        "disk_mb": _bytes(Path(trial.gallery)) / 1e6,
    }


def answers(trial: Trial) -> Results:
    """Writes the `DEEP` people most like each probe, by inner products in float64, to a file."""
    population = trial.population()
    probes = trial.probes(population).embeddings.astype(np.float64)
    best: NDArray[np.float64] = np.empty((len(probes), 0))
    whose: NDArray[np.int64] = np.empty((len(probes), 0), np.int64)
    start = time.perf_counter()
    for number in range(trial.blocks()):
        clips = trial.block(population, number)[1].embeddings
        people = (probes @ clips.T).reshape(len(probes), -1, EACH).max(axis=2)
        names = np.arange(people.shape[1]) + number * people.shape[1]
        best = np.concatenate([best, people], axis=1)
        whose = np.concatenate([whose, np.broadcast_to(names, people.shape)], axis=1)
        order = np.argsort(-best, axis=1, kind="stable")[:, :DEEP]
        best = np.take_along_axis(best, order, axis=1)
        whose = np.take_along_axis(whose, order, axis=1)
    np.save(_answers(trial), whose)
    return {"seconds": time.perf_counter() - start}


def start_cold(trial: Trial) -> Results:
    """Opens the gallery and answers once; the files are dropped from the page cache before."""
    population = trial.population()
    lift = Lift.of(population.parts, population.dimension // population.parts)
    (probe,) = lift(trial.probes(population).embeddings[:1])
    _drop_from_cache(Path(trial.gallery))
    memory = ProcessMemory()
    start = time.perf_counter()
    with open_gallery(Path(trial.gallery), index=trial.index) as gallery:
        opened = time.perf_counter() - start
        gallery.refresh()
        ready = time.perf_counter() - start
        gallery.identify(probe)
        found = time.perf_counter() - start
        rung, steady = gallery.rung, memory.steady()
    return {
        "opened_s": opened,
        "ready_s": ready,
        "first_answer_s": found,
        "rung": rung,
        "steady_mb": steady,
        "peak_mb": memory.peak(),
    }


def search(trial: Trial) -> Results:
    """Asks for every probe, alone and 32 at a time; recall; memory."""
    population = trial.population()
    lift = Lift.of(population.parts, population.dimension // population.parts)
    probes = lift(trial.probes(population).embeddings)
    memory = ProcessMemory()
    with open_gallery(Path(trial.gallery), index=trial.index) as gallery:
        gallery.refresh()
        for probe in probes[:20]:
            gallery.identify(probe, DEEP)
        alone, found = [], []
        for probe in probes:
            start = time.perf_counter()
            candidates = gallery.identify(probe, DEEP)
            alone.append(1000 * (time.perf_counter() - start))
            found.append([int(c.subject) for c in candidates])
        fused = [
            _milliseconds(partial(gallery.identify, probe, DEEP, fusion=Fusion.TOP_MEAN))
            for probe in probes
        ]
        together, rate = _in_flight(gallery, probes)
        health = gallery.health()
        facts: Results = {"rung": gallery.rung, "self_hit": health.self_hit}
        steady = memory.steady()
    exact = np.load(_answers(trial))
    return (
        facts
        | _quantiles("one", alone)
        | _quantiles("one_fused", fused)
        | _quantiles("of_32", together)
        | {"of_32_per_second": rate}
        | {"recall_1": recall(found, exact, 1), "recall_10": recall(found, exact, DEEP)}
        | {"steady_mb": steady, "peak_mb": memory.peak()}
    )


def change(trial: Trial) -> Results:
    """Enrols and erases people one at a time; each must be found at once, and then no more.

    Raises:
        GaitError: one was not found, or was found after it was erased.
    """
    population = trial.population()
    lift = Lift.of(population.parts, population.dimension // population.parts)
    rng = np.random.default_rng(3)
    own = population.people(CHANGES, rng)
    sample = population.clips(own, rng.integers(2, size=CHANGES), 3)
    authorisation = Authorisation("benchmark", datetime.now(UTC) + timedelta(days=1))
    people = np.arange(CHANGES) + trial.size
    batch = _enrolments(lift(sample.embeddings), people, sample.modalities, authorisation)
    enrolled, erased = [], []
    with open_gallery(Path(trial.gallery), index=trial.index) as gallery:
        gallery.refresh()
        for one in batch:
            enrolled.append(_milliseconds(partial(gallery.enrol, [one])))
            _check(gallery, one, present=True)
        for one in batch:
            erased.append(_milliseconds(partial(gallery.remove_subject, one.subject)))
            _check(gallery, one, present=False)
        left = _milliseconds(gallery.close)
    return _quantiles("enrol", enrolled) | _quantiles("erase", erased) | {"close_ms": left}


def recall(found: Sequence[Sequence[int]], exact: NDArray[np.int64], k: int) -> float:
    """Share of the exact first k that are among the first k found."""
    pairs = zip(found, exact.tolist(), strict=True)
    return float(np.mean([len(set(f[:k]) & set(e[:k])) / k for f, e in pairs]))


def _opened(trial: Trial) -> Gallery:
    if Path(trial.gallery).exists():
        return open_gallery(Path(trial.gallery))
    return create_gallery(Path(trial.gallery), trial.folder / "bundle")


def _enrolments(
    embeddings: Matrix,
    people: NDArray[np.intp],
    modalities: NDArray[np.intp],
    authorisation: Authorisation,
) -> list[Enrolment]:
    sensors = list(Modality)
    return [
        Enrolment(
            f"{person:09d}",
            sensors[modality],
            embedding,
            "sampled",
            16,
            hashlib.sha256(embedding.tobytes()).hexdigest(),
            authorisation,
        )
        for embedding, person, modality in zip(
            embeddings, people.tolist(), modalities.tolist(), strict=True
        )
    ]


def _check(gallery: Gallery, one: Enrolment, present: bool) -> None:
    found = gallery.identify(one.embedding, 1)[0]
    if (found.subject == one.subject) != present:
        raise GaitError(f"{one.subject} was {'not ' * present}found, is it enrolled: {present}")


def _in_flight(gallery: Gallery, probes: Matrix) -> tuple[list[float], float]:
    """Milliseconds of each query when 32 callers wait for theirs, and queries a second."""
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        start = time.perf_counter()
        took = list(pool.map(lambda p: _milliseconds(partial(gallery.identify, p, DEEP)), probes))
        return took, len(took) / (time.perf_counter() - start)


def _milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def _quantiles(name: str, milliseconds: Sequence[float]) -> Results:
    p50, p99 = np.quantile(milliseconds, [0.5, 0.99])
    return {f"{name}_p50_ms": float(p50), f"{name}_p99_ms": float(p99)}


def _answers(trial: Trial) -> Path:
    return trial.folder / f"answers-{trial.size}-{trial.queries}.npy"


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in _files(folder))


def _drop_from_cache(folder: Path) -> None:
    for path in _files(folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)
