"""The stages of one size of `bench.gallery`. Each runs in a process of its own.

A trial's people and their clips are a function of its seed, so that each stage can make them again:
the exact answers come from the embeddings themselves and not from a gallery.
"""

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.accuracy.embedded_walks import embedded_walks
from bench.measuring.process_memory import ProcessMemory
from bench.search.sampled_people import FULL, Lift, Matrix, Population, Sample
from gait.errors import DataError, GaitError, GalleryNotFoundError
from gait.modality import Modality
from gallery.gallery import Gallery
from gallery.opening import open_gallery
from gallery.record.creation import create_record
from gallery.record.location import Folder, parse_location
from gallery.record.master_key import MasterKey
from gallery.search.fusion import DEFAULT, Fusion
from gallery.template import Authorisation, Enrolment, Vector

EACH = 4
"""Templates of a person, half of them of each modality."""
BLOCK = 1000
"""Templates made, and enrolled, together."""
DEEP = 10
"""Candidates asked for and compared with the exact ones."""
IN_FLIGHT = 32
ROUNDING = 1e-5
"""By how much a similarity may be off, since a gallery keeps 16 bits a number."""
CONTRACT = "sampled people"
"""Identity of the model that the embeddings are said to be of."""
CHANGES = 50
"""People enrolled and erased again, one at a time."""

Results = dict[str, float]


@dataclass(frozen=True)
class Trial:
    """One size.

    Args:
        folder: of the exact answers, and of a gallery that is a folder.
        numbers: of an embedding; `FULL`, or fewer.
        size: templates, a multiple of `BLOCK`.
        queries: probes.
        source: model bundle, and the simulated people whose embeddings by it are fitted; None for
            the spread that is assumed without a model.
        record: URL of a PostgreSQL database; None for a folder.
        index: `memory` or `milvus://HOST:PORT`.
    """

    folder: Path
    numbers: int
    size: int
    queries: int
    source: tuple[Path, Path] | None
    record: str | None
    index: str

    @property
    def gallery(self) -> str:
        """Where the gallery is."""
        if self.record is None:
            return str(self.folder / f"gallery-{self.numbers}-{self.size}")
        separator = "&" if "?" in self.record else "?"
        return f"{self.record}{separator}gallery=bench-{self.numbers}-{self.size}"

    def open(self) -> Gallery:
        """The gallery, open."""
        return open_gallery(self.gallery, contract=CONTRACT, index=self.index)

    def population(self) -> Population:
        """Whose clips are enrolled.

        Raises:
            DataError: the model's embeddings have more or other numbers.
        """
        if self.source is None:
            full = self.numbers == FULL
            return Population.assumed() if full else Population.projected(self.numbers)
        bundle, dataset = self.source
        population = Population.of(embedded_walks(dataset, bundle, self.folder))
        if self.numbers not in (FULL, population.dimension):
            raise DataError(
                f"got a model of {population.dimension} numbers, need --numbers to be as many or "
                f"{FULL}"
            )
        return population

    def lift(self, population: Population) -> Lift:
        """What brings its embeddings to the numbers of the gallery's."""
        if population.dimension == self.numbers:
            return Lift.none()
        return Lift.of(population.parts, population.dimension // population.parts)

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
    lift = trial.lift(population)
    authorisation = Authorisation("benchmark", datetime.now(UTC) + timedelta(days=365))
    memory = ProcessMemory()
    seconds, made = 0.0, 0
    _make(trial)
    with trial.open() as gallery:
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
        "disk_mb": sum(path.stat().st_size for path in _files(trial)) / 1e6,
    }


def answers(trial: Trial) -> Results:
    """Writes how like each probe the `DEEP` people most like it are, in float64, to a file."""
    population = trial.population()
    probes = trial.probes(population).embeddings.astype(np.float64)
    best: NDArray[np.float64] = np.empty((len(probes), 0))
    start = time.perf_counter()
    for number in range(trial.blocks()):
        clips = trial.block(population, number)[1].embeddings
        people = (probes @ clips.T).reshape(len(probes), -1, EACH).max(axis=2)
        best = -np.sort(-np.concatenate([best, people], axis=1), axis=1)[:, :DEEP]
    np.save(_answers(trial), best)
    return {"seconds": time.perf_counter() - start}


def start_cold(trial: Trial) -> Results:
    """Opens the gallery and answers once. Files of a folder leave the page cache before."""
    population = trial.population()
    lift = trial.lift(population)
    (probe,) = lift(trial.probes(population).embeddings[:1])
    _drop_from_cache(trial)
    memory = ProcessMemory()
    start = time.perf_counter()
    with trial.open() as gallery:
        opened = time.perf_counter() - start
        gallery.refresh()
        ready = time.perf_counter() - start
        gallery.identify(probe)
        found = time.perf_counter() - start
        steady = memory.steady()
    return {
        "opened_s": opened,
        "ready_s": ready,
        "first_answer_s": found,
        "steady_mb": steady,
        "peak_mb": memory.peak(),
    }


def search(trial: Trial) -> Results:
    """Searches for every probe: with a cold page cache, again, and 32 at a time; recall; memory."""
    population = trial.population()
    lift = trial.lift(population)
    probes = lift(trial.probes(population).embeddings)
    memory, results = ProcessMemory(), Results()
    with trial.open() as gallery:
        gallery.refresh()
        for name, fusion in (("", Fusion.BEST), ("_fused", DEFAULT)):
            identify = partial(gallery.identify, top_k=DEEP, fusion=fusion)
            first = [_milliseconds(partial(identify, probe)) for probe in probes]
            if not name:  # most of what is read was not in the page cache yet
                results |= _quantiles("first", first)
            alone = [_milliseconds(partial(identify, probe)) for probe in probes]
            results |= _quantiles(f"one{name}", alone)
            together, rate = _in_flight(identify, probes)
            results |= _quantiles(f"of_32{name}", together)
            results |= {f"of_32{name}_per_second": rate}
        found = [
            [each.similarity for each in gallery.identify(probe, DEEP, fusion=Fusion.BEST)]
            for probe in probes
        ]
        results |= {"steady_mb": memory.steady(), "peak_mb": memory.peak()}
        results |= {"self_hit": gallery.health().self_hit}
    exact = np.load(_answers(trial))
    return results | {f"recall_{k}": recall(found, exact, k) for k in (1, DEEP)}


def change(trial: Trial) -> Results:
    """Enrols and erases people one at a time; each must be found at once, and then no more.

    Raises:
        GaitError: one was not found, or was found after it was erased.
    """
    population = trial.population()
    lift = trial.lift(population)
    rng = np.random.default_rng(3)
    own = population.people(CHANGES, rng)
    sample = population.clips(own, rng.integers(2, size=CHANGES), 3)
    authorisation = Authorisation("benchmark", datetime.now(UTC) + timedelta(days=1))
    people = np.arange(CHANGES) + trial.size
    batch = _enrolments(lift(sample.embeddings), people, sample.modalities, authorisation)
    enrolled, erased = [], []
    with trial.open() as gallery:
        gallery.refresh()
        for one in batch:
            enrolled.append(_milliseconds(partial(gallery.enrol, [one])))
            _check(gallery, one, present=True)
        for one in batch:
            erased.append(_milliseconds(partial(gallery.remove_subject, one.subject)))
            _check(gallery, one, present=False)
        left = _milliseconds(gallery.close)
    return _quantiles("enrol", enrolled) | _quantiles("erase", erased) | {"close_ms": left}


def recall(found: Sequence[Sequence[float]], exact: NDArray[np.float64], k: int) -> float:
    """Share of the first k people found who are as like the probe as the k most like it are.

    Args:
        found: similarities of those found, of each probe.
        exact: `(probes, DEEP)`, of the people most like it.
        k: at most DEEP.
    """
    enough = exact[:, k - 1] - ROUNDING
    pairs = zip(found, enough.tolist(), strict=True)
    return float(np.mean([sum(one >= least for one in some[:k]) / k for some, least in pairs]))


def _make(trial: Trial) -> None:
    """Makes the gallery, without a bundle, unless it is there."""
    where = parse_location(trial.gallery)
    try:
        trial.open().close()
    except GalleryNotFoundError:
        if isinstance(where, Folder):
            where.path.mkdir(parents=True, exist_ok=True)
        create_record(where, CONTRACT, trial.numbers, MasterKey.load(create=True))


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


def _in_flight(identify: Callable[[Vector], object], probes: Matrix) -> tuple[list[float], float]:
    """Milliseconds of each query when 32 callers wait for theirs, and queries a second."""
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        start = time.perf_counter()
        took = list(pool.map(lambda probe: _milliseconds(partial(identify, probe)), probes))
        return took, len(took) / (time.perf_counter() - start)


def _milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def _quantiles(name: str, milliseconds: Sequence[float]) -> Results:
    p50, p95 = np.quantile(milliseconds, [0.5, 0.95])
    return {f"{name}_p50_ms": float(p50), f"{name}_p95_ms": float(p95)}


def _answers(trial: Trial) -> Path:
    return trial.folder / f"answers-{trial.numbers}-{trial.size}-{trial.queries}.npy"


def _files(trial: Trial) -> list[Path]:
    """Files of a gallery that is a folder."""
    return [path for path in Path(trial.gallery).rglob("*") if path.is_file()]


def _drop_from_cache(trial: Trial) -> None:
    for path in _files(trial):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)
