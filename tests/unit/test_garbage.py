"""What a request leaves to the collector of cycles, which looks seldom (`serve.run`).

A clip that waited for it would be memory that no limit on bodies counts.
"""

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from fastapi.testclient import TestClient

from gait.modality import Modality
from tests import clip_files as files
from tests.galleries import walk
from tests.services import AUTHORISATION, PURPOSE, SUBJECTS, client, opened

pytestmark = pytest.mark.serving
LARGE = 200_000
"""Bytes; what is sent is larger."""
JUNK = b"junk" * LARGE
CLIP = files.npz(frames=walk(1, 100, Modality.RANGE_VIEW).frames)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a service with an empty gallery."""
    with opened(tmp_path_factory.mktemp("service")) as service, client(service) as made:
        yield made


def identify(api: TestClient, clip: bytes) -> int:
    return api.post("/v1/identify", files={"clip": ("clip", clip)}, data=PURPOSE).status_code


def verify(api: TestClient, clip: bytes) -> int:
    both = [("clip", ("clip", clip)), ("other", ("clip", clip))]
    return api.post("/v1/verify", files=both, data=PURPOSE).status_code


def embed(api: TestClient, clip: bytes) -> int:
    return api.post("/v1/embed", files=[("clips", ("clip", clip))], data=PURPOSE).status_code


def frames(api: TestClient, clip: bytes) -> int:
    return api.post("/v1/frames", files={"clip": ("clip", clip)}).status_code


def tracks(api: TestClient, clip: bytes) -> int:  # refused: it is no recording
    sent = {"recording": ("street.avi", clip)}
    return api.post("/v1/tracks", files=sent, data=PURPOSE).status_code


def enrol(api: TestClient, clip: bytes) -> int:
    path = f"{SUBJECTS}/ann/templates"
    return api.post(path, files=[("clips", ("clip", clip))], data=AUTHORISATION).status_code


@pytest.mark.parametrize("ask", [identify, verify, embed, frames, tracks, enrol])
@pytest.mark.parametrize("clip", [JUNK, CLIP], ids=["junk", "clip"])
def test_a_request_leaves_no_large_garbage(
    api: TestClient, ask: Callable[[TestClient, bytes], int], clip: bytes
) -> None:
    assert len(clip) > LARGE
    ask(api, clip)  # what is made once
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        status = ask(api, clip)
        gc.collect()
        large = [
            type(each)
            for each in gc.garbage
            for held in gc.get_referents(each)
            if size(held) > LARGE and not _of_the_client(each)
        ]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    read = clip is CLIP and ask is not tracks
    assert status in ((200, 201) if read else (400, 415, 422))
    assert not large


def _of_the_client(each: object) -> bool:
    """What httpx2 and starlette's test client leave behind."""
    if isinstance(each, FrameType):
        return Path(each.f_code.co_filename).name in ("testclient.py", "from_thread.py")
    return type(each).__module__.startswith("httpx2")


def size(held: object) -> int:
    """Bytes of what may be a clip."""
    if isinstance(held, np.ndarray):
        return held.nbytes
    return len(held) if isinstance(held, bytes | bytearray) else 0
