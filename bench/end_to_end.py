"""The main job on walkers nobody trained on: enrolled by one sensor, found by the other.

python -m bench.end_to_end --checkpoint demo/run/best.pt --bundle demo/bundle --out demo/found

For each direction: a gallery is built with one modality of the test people's first walk, the
service is started on it, and clips of another walk in the other modality are sent to
`POST /v1/identify`. The views enrolled and the views probed share none. A direction that is
finished is not run again.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import tyro

from bench.demo.report import NEAREST, Direction, Probe, summary, table, write_page
from bench.measuring.options import Bundle, Json
from bench.serving.service_process import ServiceClient, clip_file, running_service
from gait.cli import run
from gait.dataset import simulation_of
from gait.errors import DataError
from gait.manifest import Manifest
from gait.modality import Modality
from gait.progress import progress
from gait.sustech1k import find_sequences, load_clip
from gallery.record.location import BUNDLE_FOLDER
from train.checkpoint import load_checkpoint
from train.data.partition import load_partition
from train.data.walkers import DATASET, walkers_folder
from train.simulate.run import PARTITION
from train.storage import write_atomically

ENROLLED, PROBED = "00-nm", "01-nm"


@dataclass(frozen=True)
class Arguments:
    """Enrols the test people by one sensor and finds them by the other, through the service."""

    bundle: Bundle
    out: Path
    """Folder for galleries, results and the page."""
    checkpoint: Path | None = None
    """Checkpoint of the run, whose simulated walkers are used."""
    dataset: Path | None = None
    """A tree in SUSTech1K's layout instead, with its partition.json."""
    enrol_views: tuple[str, ...] = ("045", "135", "225", "315")
    """Views enrolled; the others are probed."""
    probes: str = "*"
    """Whose clips are sent, of all the people enrolled: a pattern such as `mocap-*`."""
    json: Json = False


def main() -> None:
    """Runs both directions, prints the table and writes the page."""
    arguments = tyro.cli(Arguments, prog="python -m bench.end_to_end")
    dataset = _dataset(arguments)
    simulated = simulation_of(dataset) is not None
    directions = [_direction(arguments, dataset, enrolled) for enrolled in reversed(Modality)]
    page = write_page(arguments.out / "found.html", dataset, directions, simulated)
    if arguments.json:
        print(json.dumps([summary(d) | {"simulated": simulated} for d in directions], indent=1))
    else:
        print(table(directions, simulated))
    print(f"pictures: {page}", file=sys.stderr)


def _dataset(arguments: Arguments) -> Path:
    if (arguments.dataset is None) == (arguments.checkpoint is None):
        raise DataError("give either --dataset or --checkpoint: whose walkers are to be found?")
    if arguments.dataset is not None:
        return arguments.dataset
    assert arguments.checkpoint is not None
    return walkers_folder(load_checkpoint(arguments.checkpoint).config.walkers) / DATASET


def _direction(arguments: Arguments, dataset: Path, enrolled: Modality) -> Direction:
    """One direction's results, from its file if the same was measured before."""
    contract = Manifest.load(arguments.bundle).contract
    made_with = f"{contract} {dataset} {arguments.enrol_views} {arguments.probes}"
    data = arguments.out / f"data-{enrolled}"
    gallery = data / "galleries" / "default"
    results = arguments.out / f"results-{enrolled}.json"
    if results.exists():
        direction = Direction.model_validate_json(results.read_text())
        if direction.made_with == made_with:
            return direction
    people = sorted(load_partition(dataset / PARTITION).test)
    if gallery.exists() and Manifest.load(gallery / BUNDLE_FOLDER).contract != contract:
        shutil.rmtree(data)  # of an earlier model
    _build(arguments, dataset, gallery, enrolled, people)
    with running_service(arguments.bundle, data, arguments.out / "service.log") as client:
        probes = _probe(client, dataset, enrolled.counterpart, people, arguments)
    direction = Direction(
        made_with=made_with,
        probe=enrolled.counterpart,
        enrolled=enrolled,
        people=len(people),
        templates=len(people) * len(arguments.enrol_views),
        probes=probes,
    )
    write_atomically(results, direction.model_dump_json().encode())
    return direction


def _build(
    arguments: Arguments, dataset: Path, gallery: Path, enrolled: Modality, people: Sequence[str]
) -> None:
    """Enrols with the command a user would use; what it prints goes to stderr."""
    command = [sys.executable, "-m", "gallery.build", str(dataset), "--bundle"]
    command += [str(arguments.bundle), "--out", str(gallery), "--modality", str(enrolled)]
    command += ["--authorisation", "simulated people", "--expires", "2999-12-31", "--new-people"]
    command += ["--types", ENROLLED, "--views", *arguments.enrol_views, "--subjects", *people]
    arguments.out.mkdir(parents=True, exist_ok=True)
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
        raise DataError(f"the gallery {gallery} could not be built; see above")


def _probe(
    client: ServiceClient,
    dataset: Path,
    modality: Modality,
    people: Sequence[str],
    arguments: Arguments,
) -> list[Probe]:
    """Sends every probe clip, one at a time; the first is kept as a file for a person to send."""
    walks = [
        walk
        for walk in find_sequences(dataset)
        if (walk.subject in people and fnmatchcase(walk.subject, arguments.probes))
        and (walk.type == PROBED and walk.view not in arguments.enrol_views)
    ]
    if not walks:
        raise DataError(f"{dataset} has no walks {PROBED} of the test people in other views")
    sources = {template: s for person in people for template, s in client.sources(person).items()}
    probes = []
    write_atomically(
        arguments.out / f"clip-{modality}.npy", clip_file(load_clip(walks[0], modality))
    )
    with progress() as bar:
        for walk in bar.track(walks, description=f"identify by {modality}"):
            found = client.identify(clip_file(load_clip(walk, modality)), modality, NEAREST)
            probes.append(
                Probe(
                    subject=walk.subject,
                    walk=walk.name,
                    found=found.subjects,
                    sources=[sources[template] for template in found.templates],
                    milliseconds=found.milliseconds,
                )
            )
    return probes


if __name__ == "__main__":
    run(main)
