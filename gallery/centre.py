"""Command: a model bundle for a site, less what all of its people have in common.

python -m gallery.centre by-camera by-lidar --out site-bundle
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import tyro

from gait.cli import run
from gait.errors import BundleError, CalibrationError, ConfigError, StorageError
from gait.manifest import FileRecord, Manifest, contract_id
from gait.modality import Modality
from gait.own_bundle import own_bundle
from gait.progress import progress
from gallery.command_line import options
from gallery.command_line.network import Batch, Network, Points
from gallery.decision.decision import bundle_calibration
from gallery.decision.fitting import LabelledClips
from gallery.enrolment.bulk import Outcome
from gallery.enrolment.labelled import labelled_clips
from gallery.enrolment.sources import Selection, find_sources, require_style
from gallery.network.site_centre import Centre, centre_file
from gallery.record.scratch import scratch_folder

FILE = "centre.npy"
LEAST = 20
"""People or tracks of a modality, whose mean is taken; with fewer it is theirs, not the site's."""


@dataclass(frozen=True)
class Arguments:
    """Makes a bundle that takes a site's own mean off its embeddings, sensor by sensor.

    Nobody has to be named: tracks of capture.run will do, of as many different people as possible.
    Nothing but the mean is kept of them. Galleries have to be built with the new bundle."""

    clips: tyro.conf.Positional[tuple[Path, ...]]
    """Folders <person or track>/<clip file>, such as those of capture.run."""
    out: Path
    """Folder of the new bundle."""
    bundle: Path | None = None
    """Bundle to begin with; by default the one that comes with the package."""
    modality: Modality | None = None
    """What the clips show; found in their content by default."""
    points: Points = field(default_factory=Points)
    batch: Batch = 32
    network: Network = field(default_factory=Network)
    json: options.AsJson = False


def main() -> None:
    """Makes the bundle as the command line says."""
    arguments = options.parse(Arguments, "gallery.centre")
    bundle = arguments.bundle or own_bundle()
    if arguments.out.exists():
        raise BundleError(f"{arguments.out} exists: choose another folder with --out")
    manifest = Manifest.load(bundle)
    if manifest.centre is not None:
        raise BundleError(
            f"{bundle} is of a site already: begin with the one that it was made from"
        )
    _refuse_repeated(arguments.clips)
    outcome = Outcome()
    clips = _embedded(arguments, bundle, outcome)
    centre, people = site_centre(clips)
    new = save_centred(bundle, manifest, centre, arguments.out)
    if arguments.json:
        facts = {"bundle": str(arguments.out), "contract": new.contract, "people": people}
        print(json.dumps(facts | {"rejected": len(outcome.rejected)}))
        return
    for rejected in outcome.rejected:
        print(f"rejected  {rejected.source}  [{rejected.code}] {rejected.reason}")
    for modality, count in people.items():
        far = float(np.linalg.norm(centre[Modality(modality)]))
        print(f"{modality:<11}mean of {count} people or tracks, {far:.2f} from the model's own")
    print(f"bundle     {arguments.out}, contract {new.contract}; build galleries with it")


def _refuse_repeated(folders: Sequence[Path]) -> None:
    """People count once, however often their folder is named."""
    counted = Counter(folder.resolve() for folder in folders)
    if again := [str(folder) for folder, times in counted.items() if times > 1]:
        raise ConfigError(f"got {', '.join(again)} more than once, need each folder once")


def site_centre(clips: LabelledClips) -> tuple[Centre, dict[str, int]]:
    """The mean of each modality over people, each of whom counts once, and how many they are.

    Raises:
        CalibrationError: fewer than `LEAST` people of a modality that there is.
    """
    centre: Centre = {}
    people = Counter[str]()
    for modality in Modality:
        own = clips.only(clips.modalities == modality)
        names = np.unique(own.subjects)
        means = [own.embeddings[own.subjects == name].mean(axis=0) for name in names]
        if means and len(means) < LEAST:
            raise CalibrationError(
                f"got {modality} clips of {len(means)} people or tracks, need {LEAST}: the mean of "
                "fewer would take away what tells them apart"
            )
        if means:
            people[str(modality)] = len(means)
        zero = np.zeros(clips.embeddings.shape[1], np.float32)
        centre[modality] = np.mean(means, axis=0, dtype=np.float32) if means else zero
    return centre, dict(people)


def save_centred(bundle: Path, manifest: Manifest, centre: Centre, out: Path) -> Manifest:
    """Writes a copy of a bundle with a site's centre; its own calibration still decides.

    Raises:
        StorageError: the disk is full or the folder cannot be written; nothing is left.
    """
    files = dict(manifest.files)
    new = {FILE: centre_file(centre)}
    files[FILE] = FileRecord.of(new[FILE])
    contract = contract_id(manifest.models, files, FILE, manifest.inputs.range_style)
    calibration = bundle_calibration(bundle)
    if calibration is not None and manifest.calibration is not None:
        told = f"{calibration.data}; moved to a site's own mean"
        moved = calibration.model_copy(update={"contract": contract, "data": told})
        new[manifest.calibration] = moved.text.encode()
        files[manifest.calibration] = FileRecord.of(new[manifest.calibration])
    changes = {"contract": contract, "centre": FILE, "files": files}
    made = Manifest.model_validate(manifest.model_dump() | changes)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(out.parent) as folder:
            part = folder / "bundle"
            part.mkdir()
            for name, data in (manifest.contents(bundle) | new).items():
                (part / name).write_bytes(data)
            made.save(part)
            part.rename(out)
    except OSError as error:
        raise StorageError(f"cannot write {out}: {error}; no bundle was left") from error
    return made


def _embedded(arguments: Arguments, bundle: Path, outcome: Outcome) -> LabelledClips:
    selection = Selection(modality=arguments.modality, source=arguments.points.source)
    encoder = arguments.network.encoder(bundle)
    found = list[LabelledClips]()
    with progress() as bar:
        for place, folder in enumerate(arguments.clips):
            sources = find_sources(folder, selection)
            require_style(sources, encoder.range_style)
            task = bar.add_task("embedding", total=len(sources), note=str(folder))
            clips = labelled_clips(
                encoder,
                sources,
                outcome,
                batch=arguments.batch,
                advance=partial(bar.advance, task),
            )
            names = np.char.add(f"{place} ", clips.subjects)
            found.append(LabelledClips(names, clips.sessions, clips.modalities, clips.embeddings))
    whole = found[0]
    for more in found[1:]:
        whole = whole.and_also(more)
    return whole


if __name__ == "__main__":
    run(main)
