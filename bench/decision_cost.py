"""What deciding costs a search: `python -m bench.decision_cost --bundle B`.

The same probes search the same gallery in turn without anything, normalised by a cohort, and with
the decision as well; processor time is counted, of which other work on the machine takes none.
"""

import json
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import tyro

from bench.measuring.options import Bundle, Json
from gait.cli import run
from gait.modality import Modality
from gallery.decision.fitting import LabelledClips, calibrate
from gallery.gallery import Gallery
from gallery.opening import create_gallery
from gallery.template import Authorisation, Enrolment, Matrix

SPREAD = 1.0
"""Of a person's clips about the person, in lengths of an embedding."""


@dataclass(frozen=True)
class Arguments:
    """Measures what decisions add to a search."""

    bundle: Bundle
    people: int = 160
    templates: int = 4
    searches: int = 1000
    json: Json = False


def main() -> None:
    """Measures and prints medians, and what each kind adds to a plain search."""
    arguments = tyro.cli(Arguments, prog="python -m bench.decision_cost")
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder) / "gallery"
        with closing(create_gallery(where, arguments.bundle)) as gallery:
            took, cohort = measured(gallery, arguments), gallery.cohort
    plain = np.median(took["plain"])
    facts = {
        "people": arguments.people,
        "templates": arguments.templates,
        "searches": arguments.searches,
        "cohort": 0 if cohort is None else len(cohort.people[Modality.SILHOUETTE]),
        "milliseconds": {name: round(float(np.median(t)), 3) for name, t in took.items()},
        "more": {name: round(float(np.median(t) - plain), 3) for name, t in took.items()},
    }
    print(json.dumps(facts, indent=1) if arguments.json else facts)


def measured(gallery: Gallery, arguments: Arguments) -> dict[str, list[float]]:
    """Milliseconds of processor time of each search, by what it does."""
    clips = made_up(arguments.people, arguments.templates + 1, gallery.dimension)
    probes = clips.embeddings[clips.sessions == "1"]
    _enrol(gallery, clips.only(clips.sessions == "0"))
    calibration = calibrate(
        clips, contract=gallery.contract, simulated=True, data="made up", cohort=gallery.cohort
    )
    gallery.set_calibration(calibration)
    camera = Modality.SILHOUETTE
    kinds: dict[str, Callable[[Matrix], object]] = {
        "plain": gallery.identify,
        "normalised": lambda probe: gallery.identify(probe, probe=camera),
        "decided": lambda probe: gallery.search(probe, camera),
    }
    took: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(arguments.searches):
        probe = probes[number % len(probes)]
        for name, search in kinds.items():
            began = time.process_time()
            search(probe)
            took[name].append(1000 * (time.process_time() - began))
    return took


def made_up(people: int, clips: int, dimension: int) -> LabelledClips:
    """Unit vectors about a random one of each person: all but the last of one walk."""
    rng = np.random.default_rng(0)
    own = rng.normal(size=(people, 1, dimension))
    each = own + SPREAD * rng.normal(size=(people, clips, dimension))
    each /= np.linalg.norm(each, axis=2, keepdims=True)
    return LabelledClips(
        np.repeat([f"{person:05}" for person in range(people)], clips),
        np.tile(["0"] * (clips - 1) + ["1"], people),
        np.full(people * clips, str(Modality.SILHOUETTE)),
        each.reshape(-1, dimension).astype(np.float32),
    )


def _enrol(gallery: Gallery, clips: LabelledClips) -> None:
    authorisation = Authorisation("benchmark", datetime.now(UTC) + timedelta(days=1))
    gallery.enrol(
        [
            Enrolment(
                subject,
                Modality.SILHOUETTE,
                embedding,
                "made up",
                1,
                f"{number:064x}",
                authorisation,
            )
            for number, (subject, embedding) in enumerate(
                zip(clips.subjects.tolist(), clips.embeddings, strict=True)
            )
        ]
    )


if __name__ == "__main__":
    run(main)
