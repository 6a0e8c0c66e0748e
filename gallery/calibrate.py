"""Command: what similarities mean here, learned from a site's own labelled clips.

python -m gallery.calibrate --gallery gallery clips
"""

import json
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from gait.cli import run
from gait.errors import CalibrationError, ConfigError
from gait.modality import Modality
from gait.progress import progress
from gallery.command_line import options
from gallery.command_line.network import Batch, Network, Points
from gallery.command_line.table import table
from gallery.decision.calibration import Calibration, Pair
from gallery.decision.decision import USUAL
from gallery.decision.fitting import calibrate
from gallery.enrolment.bulk import Outcome
from gallery.enrolment.labelled import labelled_clips
from gallery.enrolment.sources import Selection, find_sources, require_style
from gallery.opening import open_gallery

SHOWN = (10, 100, 1000)
"""Gallery sizes whose thresholds are printed."""


@dataclass(frozen=True)
class Arguments:
    """Calibrates a gallery on labelled clips of people walking at its own sensors, which nobody
    needs to be enrolled by, and keeps the calibration with the gallery; nothing of the clips is
    kept. 40 people with two walks each are the least."""

    gallery: options.Location
    clips: Annotated[Path | None, tyro.conf.Positional] = None
    """A tree <subject>/<walk>/<view>/*.pkl, a folder <subject>/<clip file>, also with a folder for
    each walk between, or a CSV file with the columns path, subject and, if wanted, modality and
    walk. A person's earlier walks by name stand for templates, the later ones for probes."""
    bundle: options.BundleOfUrl = None
    modality: Modality | None = None
    """What the clips show; found in their content by default."""
    points: Points = field(default_factory=Points)
    simulated: bool = False
    """The people are not real."""
    drop: bool = False
    """Instead: forget the gallery's own calibration."""
    batch: Batch = 32
    network: Network = field(default_factory=Network)
    json: options.AsJson = False


def main() -> None:
    """Calibrates as the command line says."""
    arguments = options.parse(Arguments, "gallery.calibrate")
    if (arguments.clips is None) != arguments.drop:
        raise ConfigError("give either clips to calibrate on, or --drop")
    with closing(open_gallery(arguments.gallery, bundle=arguments.bundle)) as gallery:
        if arguments.clips is None:
            gallery.set_calibration(None)
            print(f"gallery   {arguments.gallery} has no calibration of its own")
            return
        outcome = Outcome()
        selection = Selection(modality=arguments.modality, source=arguments.points.source)
        sources = find_sources(arguments.clips, selection)
        encoder = arguments.network.encoder(gallery.bundle)
        require_style(sources, encoder.range_style)
        with progress() as bar:
            task = bar.add_task("embedding", total=len(sources), note=encoder.provider)
            clips = labelled_clips(
                encoder,
                sources,
                outcome,
                batch=arguments.batch,
                advance=lambda n: bar.advance(task, n),
            )
        calibration = calibrate(
            clips,
            contract=gallery.contract,
            simulated=arguments.simulated,
            data=str(arguments.clips),
            cohort=gallery.cohort,
        )
        gallery.set_calibration(calibration)
    if arguments.json:
        facts = {
            "gallery": arguments.gallery,
            "sha256": calibration.sha256,
            "people": calibration.people,
            "simulated": calibration.simulated,
            "clips": len(clips.subjects),
            "rejected": len(outcome.rejected),
            "undecided": undecided(calibration),
        }
        print(json.dumps(facts))
        return
    for rejected in outcome.rejected:
        print(f"rejected  {rejected.source}  [{rejected.code}] {rejected.reason}")
    print(summary(calibration))


def summary(calibration: Calibration) -> str:
    """A calibration for people to read: thresholds of a match and of a possible match."""
    people = f"{calibration.people} {'simulated ' if calibration.simulated else ''}people"
    rows = [
        (str(pair.probe), pair.enrolled, pair.templates, *(_cell(pair, n) for n in SHOWN))
        for pair in calibration.pairs
    ]
    head = ("probe", "enrolled by", "templates", *(f"N = {n}" for n in SHOWN))
    first = (
        f"calibrated on {people} of {calibration.data}, sha256 {calibration.sha256[:16]}\n"
        f"a match from, and a possible one from, at FPIR {USUAL.match_fpir:.0%} and "
        f"{USUAL.possible_fpir:.0%} ('-': too few people to tell):\n{table(head, rows)}"
    )
    return "\n".join([first, *(f"undecided {each}" for each in undecided(calibration))])


def undecided(calibration: Calibration) -> list[str]:
    """What a gallery with this calibration of its own decides nothing about, whatever the model's
    calibration could: that is used no more."""
    said = []
    fewest = min(calibration.pairs, key=lambda pair: pair.people)
    try:
        fewest.threshold(USUAL.match_fmr, 1)
    except CalibrationError as error:
        said.append(f"comparing with one named person (/verify): {error}")
    known = {(pair.probe, pair.enrolled) for pair in calibration.pairs}
    said += [
        f"{probe} clips of people enrolled by {enrolled}: calibrate with clips of both"
        for probe in Modality
        for enrolled in Modality
        if (probe, enrolled) not in known
    ]
    return said


def _cell(pair: Pair, size: int) -> str:
    shown = []
    for rate in (USUAL.match_fpir, USUAL.possible_fpir):
        try:
            shown.append(f"{pair.threshold(rate, size).similarity:.3f}")
        except CalibrationError:
            shown.append("-")
    return " ".join(shown)


if __name__ == "__main__":
    run(main)
