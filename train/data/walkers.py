"""The simulated walkers a run needs: made once, packed once, found again by what they are."""

import hashlib
import json
import sys
from pathlib import Path

from filelock import FileLock

from gait.errors import StorageError
from train.data.pack import INDEX, Pack
from train.data.packing import pack_dataset
from train.simulate.config import VERSION, SimulateConfig
from train.simulate.run import PARTITION, simulate

FOLDER = Path("work")
"""Where walkers are kept, relative to where the command runs."""
DATASET, PACK = "dataset", "pack"
"""What is in the folder of each set of walkers."""


def walkers_folder(config: SimulateConfig) -> Path:
    """Where the walkers of a configuration lie: the same ones for every run that wants them.

    Raises:
        MotionFileError: its table of gait cannot be read.
    """
    made_by = {"version": VERSION, "arguments": config.arguments}
    content = json.dumps(made_by, sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    return FOLDER / f"walkers-{len(config.subject_names)}-{digest}"


def holds_walkers(pack: Pack, config: SimulateConfig) -> bool:
    """Whether the pack is the one that `walkers_pack` makes of a configuration.

    Raises:
        MotionFileError: its table of gait cannot be read.
    """
    return pack.path == walkers_folder(config) / PACK


def walkers_pack(config: SimulateConfig) -> Pack:
    """Opens the pack of simulated walkers, after making what is missing of it.

    Interrupted, it goes on where it stopped. Of several processes one works and the others wait.

    Raises:
        LayoutError: the folder holds something else.
        StorageError: the disk is full or the folder cannot be written.
    """
    folder = walkers_folder(config)
    dataset, pack = folder / DATASET, folder / PACK
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make {folder}: {error}") from error
    with FileLock(folder / ".lock"):
        if not (pack / INDEX).is_file():
            print(
                f"simulating {len(config.subject_names)} walkers × {len(config.types)} walks × "
                f"{len(config.views)} views into {folder}",
                file=sys.stderr,
            )
            simulate(config, dataset)
            pack_dataset(dataset, dataset / PARTITION, pack, layout="sustech1k")
    return Pack.open(pack)
