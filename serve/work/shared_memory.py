"""Clip files and what was read in them, between the service and its decoding processes.

Both lie in memory that has no name in any file system. What comes back is not believed: a decoder
may have been taken over by the file it read, so nothing is made of it but clips and errors.
"""

import fcntl
import io
import itertools
import os
import pickle
import struct
from functools import cache
from importlib import import_module
from typing import Any, Final

import numpy as np

_LARGEST: Final = 1 << 28
"""Bytes of an outcome; the frames of a clip at the caps are 4 MiB."""
_NUMPY: Final = {"_frombuffer", "_reconstruct", "ndarray", "dtype", "scalar"}
_PERSON: Final = ("capture.recording", "Person")
_DAMAGED: Final = (
    *(pickle.UnpicklingError, struct.error, EOFError, ImportError, MemoryError),
    *(AttributeError, LookupError, TypeError, ValueError),
)
_SEALS: Final = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK


def shared(data: bytes) -> int:
    """A handle of shared memory that holds the data and can never be changed."""
    handle = os.memfd_create("clip", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]
    fcntl.fcntl(handle, fcntl.F_ADD_SEALS, _SEALS)
    return handle


def write_outcome(handle: int, kind: str, value: object) -> None:
    """Writes what `outcome` reads: a worker's part. Arrays are copied once, into the memory."""
    arrays: list[pickle.PickleBuffer] = []
    said = pickle.dumps((kind, value), 5, buffer_callback=arrays.append)
    parts = [memoryview(said), *(array.raw() for array in arrays)]
    sizes = [part.nbytes for part in parts]
    at = 0
    for rest in (memoryview(struct.pack(f"<Q{len(sizes)}Q", len(sizes), *sizes)), *parts):
        while rest:
            written = os.pwrite(handle, rest, at)
            at, rest = at + written, rest[written:]


def outcome(handle: int) -> tuple[str, Any]:
    """What a worker said: `result`, `error`, `memory` or `failed`, and the value.

    Raises:
        ValueError: it is not what a worker says.
    """
    size = os.fstat(handle).st_size
    if size > _LARGEST:
        raise ValueError(f"{size} bytes came back, at most {_LARGEST} are taken")
    whole = np.empty(size, np.uint8).data  # a bytearray would be written twice
    os.preadv(handle, [whole], 0)
    try:
        (count,) = struct.unpack_from("<Q", whole)
        sizes = struct.unpack_from(f"<{count}Q", whole, 8)
        ends = list(itertools.accumulate(sizes, initial=8 + 8 * count))
        parts = [whole[a:b] for a, b in itertools.pairwise(ends)]
        kind, value = _Outcome(io.BytesIO(parts[0]), buffers=parts[1:]).load()
    except _DAMAGED as error:
        raise ValueError(f"what came back is damaged: {error}") from error
    return str(kind), value


class _Outcome(pickle.Unpickler):
    """Makes classes of `gait`, people in recordings and numpy's arrays, and calls nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        return _part(module, name)


@cache
def _part(module: str, name: str) -> Any:
    root = module.partition(".")[0]
    if root == "gait" or (module, name) == _PERSON or (root == "numpy" and name in _NUMPY):
        found = getattr(import_module(module), name)
        if root == "numpy" or isinstance(found, type):
            return found
    raise pickle.UnpicklingError(f"{module}.{name} is no part of a clip")
