"""Writes a simulated dataset in SUSTech1K's layout, many processes at once, resumable."""

import json
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.synchronize import Event
from pathlib import Path

import cv2
from filelock import FileLock, Timeout
from threadpoolctl import threadpool_limits

from gait.dataset import SIMULATION
from gait.errors import DataError, LayoutError, StorageError
from gait.progress import progress
from gait.sustech1k import write_sequence
from train.simulate.config import VERSION, SimulateConfig
from train.simulate.movement.recorded import find_people
from train.simulate.studio import Studio, open_studio, statistics_of

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
        MotionFileError: as `find_people` and `statistics_of`.
        StorageError: the disk is full or not writable.
        DataError: a worker was killed.
    """
    config = find_people(config)
    statistics_of(config)  # or a file that is no table would claim the folder
    try:
        out.mkdir(parents=True, exist_ok=True)
        with FileLock(out / ".lock", blocking=False):
            _claim(config, out)
            _write_subjects(config, out, workers or os.cpu_count() or 1)
            _write_json(out / PARTITION, config.partition)
    except Timeout as error:
        raise LayoutError(f"another simulation is being written to {out}") from error
    except OSError as error:
        raise StorageError(f"cannot write to {out}: {error}") from error
    return out


def _claim(config: SimulateConfig, out: Path) -> None:
    """Writes the record of a new simulation, or checks that of a begun one."""
    path = out / SIMULATION
    wanted = {"simulated": True, "version": VERSION, "arguments": config.arguments}
    if not path.exists():
        if any(not entry.name.startswith(".") for entry in out.iterdir()):
            raise LayoutError(f"{out} is not empty and holds no {SIMULATION}; give another folder")
        _write_json(path, wanted)
        return
    try:
        found = json.loads(path.read_text())
        old, new = found["arguments"], config.arguments
        changed = [
            f"{name}: {old.get(name)} → {new.get(name)}"
            for name in {**old, **new}
            if old.get(name) != new.get(name)
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LayoutError(f"{path} is damaged; remove {out} or give another folder") from error
    if found != wanted:
        raise LayoutError(
            f"{out} holds another simulation ({', '.join(changed) or 'of another version'}); "
            "give the same arguments or another folder"
        )


def _write_subjects(config: SimulateConfig, out: Path, workers: int) -> None:
    missing = [i for i, name in enumerate(config.subject_names) if not (out / name).exists()]
    shutil.rmtree(out / _STAGING, ignore_errors=True)
    if not missing:
        return
    open_studio(config)  # builds the bodies before any process needs them
    seen = min(config.views_each or len(config.views), len(config.views))
    sequences, subjects = len(config.types) * seen, len(config.subject_names)
    with progress() as display:
        bar = display.add_task("simulating", total=subjects * sequences, note="")
        display.advance(bar, (subjects - len(missing)) * sequences)
        for _ in _in_processes(config, out, missing, workers):
            display.advance(bar, sequences)
    shutil.rmtree(out / _STAGING, ignore_errors=True)


def _in_processes(
    config: SimulateConfig, out: Path, subjects: list[int], workers: int
) -> Iterator[int]:
    """Yields each subject when it is written.

    Processes are started fresh, with single-threaded arithmetic: faster together, and the same
    result whatever their number. When the caller stops, they stop within a sequence.
    """
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    pool = ProcessPoolExecutor(
        min(workers, len(subjects)),
        mp_context=context,
        initializer=_start_worker,
        initargs=(config, stop),
    )
    try:
        jobs = [pool.submit(_write_subject, index, out) for index in subjects]
        for job in as_completed(jobs):
            yield job.result()
    except BrokenProcessPool as error:
        raise DataError(
            "a simulating process was killed, perhaps for lack of memory; finished subjects are "
            "kept: run again, with fewer --workers"
        ) from error
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


_studio: Studio
_stop: Event


def _start_worker(config: SimulateConfig, stop: Event) -> None:
    global _studio, _stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted too, and says stop
    threading.Thread(target=_end_with_parent, daemon=True).start()
    threadpool_limits(1)
    cv2.setNumThreads(1)
    _studio, _stop = open_studio(config), stop


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _write_subject(index: int, out: Path) -> int:
    name = _studio.config.subject_names[index]
    for take in _studio.subject(index):
        if _stop.is_set():
            return index
        write_sequence(
            out / _STAGING,
            name,
            take.type,
            take.view,
            silhouettes=take.sighting.silhouettes,
            range_views=take.sighting.range_views,
            points=take.sighting.points if _studio.config.points else None,
        )
    (out / _STAGING / name).rename(out / name)
    return index


def _write_json(path: Path, content: object) -> None:
    part = path.with_name(f".{path.name}")
    part.write_text(json.dumps(content, indent=2) + "\n")
    part.rename(path)
