"""The console in a real browser: simulated walkers, enrolled by LiDAR and searched by camera."""

from pathlib import Path

import numpy as np
import pytest

from gait.modality import Modality
from tests import clip_files as files
from tests.browser import Browser
from tests.console import click, go, look, put, text, type_in
from train.simulate.config import SimulateConfig
from train.simulate.studio import open_studio

pytestmark = pytest.mark.slow

WALKERS = 2


def _clips(walk: str, modality: Modality) -> list[bytes]:
    """A clip of every walker, seen from the side."""
    studio = open_studio(SimulateConfig(subjects=WALKERS, body="capsules", frames=30))
    takes = [studio.film(studio.person(each), each, walk, "090") for each in range(WALKERS)]
    lidar = modality is Modality.RANGE_VIEW
    seen = [take.sighting.range_views if lidar else take.sighting.silhouettes for take in takes]
    return [files.npz(frames=np.asarray(frames)) for frames in seen]


def _enrol(page: Browser, name: str, clip: bytes) -> None:
    go(page, "#/people")
    go(page, "#/people/default//enrol")
    type_in(page, "input[name=subject]", name)
    put(page, walk=clip)
    type_in(page, "input[name=authorisation]", "form 1")
    type_in(page, "input[name=expires]", "2999-01-01")
    click(page, "input[name=keep_pictures]")
    click(page, "input[name=new_person]")
    click(page, "#enrol button.main")
    page.wait("!document.querySelector('#store').disabled")
    assert "LiDAR, 30 frames" in text(page, "table")
    click(page, "#store")
    page.wait("document.querySelector('[aria-label=Result]').dataset.done === 'stored'")


def _colours(page: Browser, canvas: int) -> bool:
    """Whether a picture has colours, as range views do and silhouettes do not."""
    return bool(
        page.run(
            f"(() => {{ const c = document.querySelectorAll('canvas')[{canvas}]; "
            "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; "
            "return d.some((red, i) => i % 4 === 0 && Math.abs(red - d[i + 2]) > 60); })()"
        )
    )


def test_whoever_a_lidar_enrolled_is_shown_beside_the_camera_clip(
    page: Browser, tmp_path: Path
) -> None:
    for each, clip in enumerate(_clips("00-nm", Modality.RANGE_VIEW)):
        _enrol(page, f"Walker {each}", clip)
    go(page, "#/search")
    click(page, "#search input[name=all_candidates]")
    type_in(page, "#search select[name=gallery_modality]", "range_view")
    put(page, walk=_clips("01-nm", Modality.SILHOUETTE)[0])
    type_in(page, "input[name=purpose]", "entrance 3")
    click(page, "#search button.main")
    page.wait("document.querySelector('[aria-label=Result]').dataset.done")
    assert page.run("document.querySelectorAll('.side canvas').length") == 1 + WALKERS
    assert [_colours(page, each) for each in range(1 + WALKERS)] == [False] + WALKERS * [True]
    assert text(page, ".verdict h2") == "Match: Walker 0"
    said = text(page)
    assert said.count("(LiDAR), the most alike") == WALKERS
    assert "camera clip (npz), 30 frames" in said
    look(page, tmp_path, "sensors")
