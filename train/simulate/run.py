"""Writes a simulated dataset in SUSTech1K's layout, many processes at once, resumable."""

import json
import multiprocessing
import os
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import cv2
from filelock import FileLock, Timeout
from threadpoolctl import threadpool_limits

from gait.errors import LayoutError, StorageError
from gait.progress import progress
from gait.sustech1k import write_sequence
from train.simulate.anny_body import basis_file
from train.simulate.basis import BodyBasis
from train.simulate.capsules import capsule_basis
from train.simulate.config import SimulateConfig
from train.simulate.subject import film_subject

RECORD = "simulation.json"
PARTITION = "partition.json"
_STAGING = ".staging"


def simulate(config: SimulateConfig, out: Path, workers: int | None = None) -> Path:
    """Simulates a dataset, or what is missing of one.

    Each subject appears in `out` when all of it is written, so an interrupted run goes on where it
    stopped. `simulation.json` says that the data are simulated, and how.

    Args:
        config: what to simulate.
        out: folder; made if missing. One that holds a simulation must be of the same config.
        workers: processes; as many as there are cores if None. The bytes do not depend on it.

    Returns:
        `out`.

    Raises:
        LayoutError: `out` holds another simulation or something else, or a run is writing to it.
        StorageError: the disk is full or not writable.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with FileLock(out / ".lock", blocking=False):
            _claim(config, out)
            shutil.rmtree(out / _STAGING, ignore_errors=True)
            _write_missing(config, out, workers or os.cpu_count() or 1)
            _write_json(out / PARTITION, config.partition)
    except Timeout as error:
        raise LayoutError(f"another simulation is being written to {out}") from error
    except OSError as error:
        raise StorageError(f"cannot write to {out}: {error}") from error
    return out


def record(config: SimulateConfig) -> dict[str, object]:
    """What `simulation.json` holds."""
    return {
        "simulated": True,
        "version": version("diffcrossgait"),
        "arguments": config.model_dump(mode="json"),
    }


def _claim(config: SimulateConfig, out: Path) -> None:
    """Writes the record of a new simulation, or checks that of a begun one."""
    path, wanted = out / RECORD, record(config)
    if not path.exists():
        if any(not entry.name.startswith(".") for entry in out.iterdir()):
            raise LayoutError(f"{out} is not empty and holds no {RECORD}; give another folder")
        _write_json(path, wanted)
        return
    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise LayoutError(f"{path} is damaged; remove {out} or give another folder") from error
    if found != wanted:
        raise LayoutError(
            f"{out} holds a simulation with other arguments ({_difference(found, wanted)}); "
            "give the same arguments or another folder"
        )


def _difference(found: object, wanted: dict[str, object]) -> str:
    old, new = (r.get("arguments", {}) if isinstance(r, dict) else {} for r in (found, wanted))
    changed = [f"{key}: {old.get(key)} → {new[key]}" for key in new if old.get(key) != new[key]]
    return ", ".join(changed) or "another version"


def _write_missing(config: SimulateConfig, out: Path, workers: int) -> None:
    missing = [i for i, name in enumerate(config.subject_names) if not (out / name).exists()]
    if not missing:
        return
    basis = None if config.body == "capsules" else basis_file()
    sequences = len(config.types) * len(config.views)
    with progress() as display, _pool(config, basis, min(workers, len(missing))) as pool:
        done = config.subjects - len(missing)
        bar = display.add_task(
            "simulating", total=config.subjects * sequences, completed=done * sequences, note=""
        )
        jobs = [pool.submit(_write_subject, index, out) for index in missing]
        try:
            for job in as_completed(jobs):
                job.result()
                display.advance(bar, sequences)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def _pool(
    config: SimulateConfig, basis: Path | None, workers: int
) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes with single-threaded arithmetic: faster together, and always the same."""
    with ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(config, basis),
    ) as pool:
        yield pool


_worker: tuple[SimulateConfig, BodyBasis]


def _start_worker(config: SimulateConfig, basis: Path | None) -> None:
    global _worker
    threading.Thread(target=_die_with_parent, daemon=True).start()
    threadpool_limits(1)
    cv2.setNumThreads(1)
    _worker = (config, capsule_basis() if basis is None else BodyBasis.load(basis))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _write_subject(index: int, out: Path) -> None:
    config, basis = _worker
    name = config.subject_names[index]
    staging = out / _STAGING
    for taken in film_subject(config, basis, index):
        write_sequence(
            staging,
            name,
            taken.type,
            taken.view,
            silhouettes=taken.sighting.silhouettes,
            range_views=taken.sighting.range_views,
            points=taken.sighting.points if config.points else None,
        )
    (staging / name).rename(out / name)


def _write_json(path: Path, content: object) -> None:
    part = path.with_name(f".{path.name}")
    part.write_text(json.dumps(content, indent=2) + "\n")
    part.rename(path)
