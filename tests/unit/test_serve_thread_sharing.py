"""A lone run gets every core, runs beside others a share."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from gait.clip import Clip
from gait.errors import EncoderError
from gait.modality import Modality
from gallery.network.encoder import Encoder
from gallery.template import Matrix
from serve.settings import load_settings
from serve.work.service import Service
from serve.work.thread_sharing import Shared, batch_of, runs_of
from tests.galleries import TINY

pytestmark = pytest.mark.serving

CLIP = Clip(np.full((3, 1, 64, 64), 255, np.uint8), Modality.SILHOUETTE)


class Named:
    """An encoder that notes its runs, each of which waits for `go`."""

    batch_frames = 100

    def __init__(self, name: str, runs: list[str]) -> None:
        self.name, self.runs = name, runs
        self.go, self.entered = threading.Event(), threading.Event()
        self.fails = False
        self.go.set()

    def embed(self, clips: Sequence[Clip]) -> Matrix:
        self.runs.append(self.name)
        self.entered.set()
        assert self.go.wait(20)
        if self.fails:
            raise EncoderError("not finite")
        return np.zeros((len(clips), 1), np.float32)


def test_who_runs_beside_others_gets_a_share() -> None:
    runs: list[str] = []
    lone, beside = Named("lone", runs), Named("beside", runs)
    shared = Shared(lone, beside)
    shared.embed([CLIP])
    lone.go.clear()
    lone.entered.clear()
    first = threading.Thread(target=shared.embed, args=([CLIP],))
    first.start()
    assert lone.entered.wait(20)
    shared.embed([CLIP])
    shared.embed([CLIP])
    lone.go.set()
    first.join(20)
    shared.embed([CLIP])
    assert runs == ["lone", "lone", "beside", "beside", "lone"]


def test_a_run_that_failed_is_over() -> None:
    runs: list[str] = []
    lone = Named("lone", runs)
    shared = Shared(lone, Named("beside", runs))
    lone.fails = True
    for _ in range(2):
        with pytest.raises(EncoderError):
            shared.embed([CLIP])
    assert runs == ["lone", "lone"]


@pytest.mark.parametrize(("threads", "runs"), [(1, 1), (2, 2), (3, 3), (6, 3), (16, 4)])
def test_a_cpu_runs_single_clips_side_by_side(tmp_path: Path, threads: int, runs: int) -> None:
    encoder = Encoder.load(TINY, threads=threads)
    settings = load_settings(data=tmp_path)
    assert (runs_of(settings, encoder), batch_of(settings, encoder)) == (runs, 1)
    settings = load_settings(data=tmp_path, runs=7, max_batch=5)
    assert (runs_of(settings, encoder), batch_of(settings, encoder)) == (7, 5)


def test_a_gpu_runs_batches_one_after_the_other(tmp_path: Path) -> None:
    encoder = Encoder.load(TINY, threads=4)
    encoder.provider = "CUDAExecutionProvider"  # none is here: only the choice is tested
    settings = load_settings(data=tmp_path)
    assert (runs_of(settings, encoder), batch_of(settings, encoder)) == (1, 16)


@pytest.mark.parametrize(
    ("threads", "runs", "shares"), [(2, None, True), (1, None, False), (2, 1, False)]
)
def test_a_service_shares_its_cores_where_there_are_several(
    tmp_path: Path, threads: int, runs: int | None, shares: bool
) -> None:
    service = Service.open(load_settings(data=tmp_path, bundle=TINY, threads=threads, runs=runs))
    try:
        embedder = service._batcher._encoder
        assert isinstance(embedder, Shared) is shares
        if isinstance(embedder, Shared):
            lone, beside = embedder._lone.embed([CLIP]), embedder._beside.embed([CLIP])
            assert np.allclose(lone, beside, atol=1e-5)
    finally:
        service.close()
