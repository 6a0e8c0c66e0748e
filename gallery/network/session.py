"""One ONNX Runtime session: provider and threads chosen explicitly, and the provider checked."""

import os
import sys
from contextlib import redirect_stdout
from enum import StrEnum
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

from gait.clip import Frames
from gait.errors import BundleError, ConfigError, EncoderError
from gait.ragged import Index

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_FAILURES = (
    runtime.Fail,
    runtime.InvalidArgument,
    runtime.InvalidGraph,
    runtime.InvalidProtobuf,
    runtime.NoSuchFile,
    runtime.NotImplemented,
    runtime.RuntimeException,
)

_MOST_THREADS = 1024
_SPIN = "50"
"""Microseconds for which a thread of a run waits actively for its next part: enough for the pauses
within a run. The milliseconds of ONNX Runtime itself keep a core busy long after it, which the
decoder, the search and the event loop need (results/speed.md)."""


class Device(StrEnum):
    """Where the network runs: the GPU if one can be used, the CPU, or the GPU or nowhere."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Session:
    """A graph ready to run. `run` may be called from several threads.

    Args:
        graph: bytes of the ONNX file.
        device: see `Device`; ONNX Runtime itself falls back to the CPU without an error.
        threads: of one run.

    Raises:
        BundleError: ONNX Runtime does not take the graph.
        EncoderError: `Device.CUDA` was asked for and CUDA cannot be used.
    """

    def __init__(self, graph: bytes, device: Device, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.spin_duration_us", _SPIN)
        try:
            self._session = onnxruntime.InferenceSession(graph, options, _providers(device))
        except _FAILURES as error:
            raise BundleError(f"ONNX Runtime does not take the graph: {error}") from error
        self.provider: str = self._session.get_providers()[0]
        if device == Device.CUDA and self.provider != CUDA:
            raise EncoderError(
                f"CUDA was asked for, but ONNX Runtime {onnxruntime.__version__} uses "
                f"{self.provider}: install a matching driver, CUDA and cuDNN, or use --device cpu"
            )

    def run(self, frames: Frames, index: Index) -> NDArray[np.float32]:
        """Embeddings `(n, p, d)` of frames `(f, c, 64, 64)`; `index` `(n, s)` has each clip's rows.

        Raises:
            EncoderError: the run failed, or gave numbers that are not finite.
        """
        try:
            (embedding,) = self._session.run(["embedding"], {"frames": frames, "index": index})
        except _FAILURES as error:
            raise EncoderError(f"embedding frames {frames.shape} failed: {error}") from error
        if not np.isfinite(embedding).all():
            raise EncoderError("the network gave numbers that are not finite: export it again")
        result: NDArray[np.float32] = embedding
        return result


def checked_threads(threads: int | None) -> int:
    """The number of threads to use; `available_threads` for None.

    Raises:
        ConfigError: not 1..1024.
    """
    if threads is None:
        return available_threads()
    if not 1 <= threads <= _MOST_THREADS:
        raise ConfigError(f"got {threads} threads, need 1..{_MOST_THREADS}, or none for every core")
    return threads


def available_threads() -> int:
    """Cores this process may use, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def expected_provider(device: Device) -> str:
    """The provider that a session on this device will be given, if CUDA is what it seems to be."""
    wanted = device == Device.CUDA or (device == Device.AUTO and _nvidia_present())
    return CUDA if wanted and CUDA in onnxruntime.get_available_providers() else CPU


def _providers(device: Device) -> list[str | tuple[str, dict[str, str]]]:
    if expected_provider(device) == CPU:
        return [CPU]
    with redirect_stdout(sys.stderr):  # it prints what it does not find
        onnxruntime.preload_dlls()  # CUDA and cuDNN of the nvidia wheels, where they are installed
    # TF32 would cost the parity with the CPU. A search of all algorithms, the default, would be
    # made anew for each number of frames.
    return [(CUDA, {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}), CPU]


def _nvidia_present() -> bool:
    return any(Path(path).exists() for path in ("/dev/nvidiactl", "/dev/dxg"))
