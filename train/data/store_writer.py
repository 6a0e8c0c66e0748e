"""Appending frames to a store of a pack."""

import hashlib
import os
from pathlib import Path
from typing import Self

import numpy as np

from gait.clip import Frames
from gait.modality import SIZE, Modality
from train.data.pack import STORES, Store


class StoreWriter:
    """Appends frames to one store; the count in its header is filled in at the end.

    Args:
        folder: where the store is made.
        modality: which of the two stores.

    Raises (all methods):
        OSError: the disk is full or the folder cannot be written.
    """

    def __init__(self, folder: Path, modality: Modality) -> None:
        self._file = (folder / STORES[modality]).open("wb")
        self._channels = modality.channels
        self._frames = 0
        self._digest = hashlib.sha256()
        self._write_header()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, frames: Frames) -> None:
        """Adds frames, uint8 `(s, c, 64, 64)`, after the ones before."""
        data = np.ascontiguousarray(frames).data
        self._file.write(data)
        self._digest.update(data)
        self._frames += len(frames)

    def finish(self) -> Store:
        """Completes the header, flushes to the disk, and says what was written."""
        size = self._file.tell()
        self._file.seek(0)
        self._write_header()  # as long as the first one: numpy leaves room for a growing axis
        self._file.flush()
        os.fsync(self._file.fileno())
        return Store(shape=self._shape, bytes=size, sha256=self._digest.hexdigest())

    @property
    def _shape(self) -> tuple[int, int, int, int]:
        return self._frames, self._channels, SIZE, SIZE

    def _write_header(self) -> None:
        header = {"descr": "|u1", "fortran_order": False, "shape": self._shape}
        np.lib.format.write_array_header_1_0(self._file, header)
