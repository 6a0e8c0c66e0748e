"""Command: who walks in this clip, and who in this recording?

python -m gallery.identify --gallery gallery clip.npz
python -m gallery.identify --gallery gallery clips      # a folder of capture.run
python -m gallery.identify --gallery gallery people     # folders of people whose names are known
python -m gallery.identify --gallery https://host/GALLERY --key-file key --purpose WHY clip.npz
"""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote

import tyro

from gait.cli import read_secret, run
from gait.errors import ConfigError
from gait.modality import Modality
from gait.progress import progress
from gait.quality.quality import Mode, require_quality
from gait.sampling import passed_over
from gallery.command_line import options
from gallery.command_line.labelled import (
    identify_labelled,
    is_labelled,
    labelled_sources,
    labelled_table,
    outcomes,
)
from gallery.command_line.network import Network, Points
from gallery.command_line.recording import (
    Ask,
    identify_people,
    is_recording,
    missing_clips,
    people_in,
    recording_table,
)
from gallery.command_line.table import table
from gallery.decision.decision import USUAL, Policy
from gallery.enrolment.sources import decode_file, read_file
from gallery.gallery import Gallery
from gallery.network.encoder import Encoder
from gallery.opening import open_gallery
from gallery.remote.client import Client
from gallery.remote.requests import is_url


@dataclass(frozen=True)
class Arguments:
    """Decides whether the person in a clip is enrolled, and lists who it may be."""

    clip: Annotated[Path, tyro.conf.Positional]
    """A clip file: arrays, zip of pictures or point clouds, or a silhouette video. Or a folder of
    capture.run: then each person in it gets one decision, from all of their clips. Or a folder
    <person>/<clip file>, or a CSV file, as for gallery.calibrate: then each clip is searched for,
    and it is counted how many were right, wrong and missed."""
    gallery: str
    """Folder or URL of the gallery, or https://host/GALLERY at a service; without a GALLERY, the
    service's default one."""
    bundle: options.BundleOfUrl = None
    purpose: str | None = None
    """Why you ask; a service wants to know, and records it. For a service only."""
    key_file: Path | None = None
    """File with the access key of a service. For a service only."""
    top_k: int = 5
    """People to list."""
    modality: Modality | None = None
    """What the clip shows; found in its content by default."""
    gallery_modality: Modality | None = None
    """Compare with templates of this modality only."""
    all_candidates: bool = False
    """Also list people too unlike the clip to be a possible match."""
    match_fpir: float = USUAL.match_fpir
    """Share of strangers who may be called a match. Not for a service, which has a setting."""
    possible_fpir: float = USUAL.possible_fpir
    """Share of strangers whom a person may have to look at. Not for a service."""
    own_calibration: bool = False
    """Decide only by a calibration made for this gallery. Not for a service."""
    points: Points = field(default_factory=Points)
    quality: Mode = Mode.STANDARD
    """Which clips to refuse: off, standard (those that show no walking person) or strict (poor ones
    too). Not for a service, which has a setting."""
    network: Network = field(default_factory=Network)
    """Not for a service, which has a network of its own."""
    json: options.AsJson = False


SERVICES = frozenset({"purpose", "key_file"})
"""Options that only a service looks at."""
OURS = frozenset(each.name for each in fields(Network)) | {
    *("bundle", "match_fpir", "possible_fpir", "own_calibration", "quality"),
}
"""Options of a search that is made here; a service has its own network and settings."""


def main() -> None:
    """Identifies as the command line says."""
    arguments = options.parse(Arguments, "gallery.identify")
    _check_effective(arguments)
    with _asking(arguments) as ask:
        if is_recording(arguments.clip):
            if missing := missing_clips(arguments.clip):
                print(missing, file=sys.stderr)
            people = identify_people(people_in(arguments.clip), ask)
            facts = {"gallery": arguments.gallery, "people": people}
            shown = recording_table(people)
        elif is_labelled(arguments.clip):
            clips = _each_searched(arguments.clip, ask)
            facts = {"gallery": arguments.gallery, "clips": clips, "outcomes": outcomes(clips)}
            shown = labelled_table(clips)
        else:
            facts = ask(arguments.clip)
            shown = _table(facts)
    print(json.dumps(facts) if arguments.json else shown)


def _check_effective(arguments: Arguments) -> None:
    """Refuses options that would be passed over: the decision would not be the one asked for."""
    asked = is_url(arguments.gallery)
    idle = [name for name in _given(arguments) if name in (OURS if asked else SERVICES)]
    if idle:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in idle)
        why = (
            "a service decides by its own network and settings"
            if asked
            else "it is for a service, and this gallery is searched here"
        )
        raise ConfigError(
            f"got {named}, without effect on {arguments.gallery}: {why}; leave it out"
        )


def _given(group: Any) -> list[str]:
    """Options that are not as by default, in a group and the groups in it."""
    found = list[str]()
    for each in fields(group):
        value = getattr(group, each.name)
        if is_dataclass(value):
            found += _given(value)
        elif value != each.default:
            found.append(each.name)
    return found


def _each_searched(folder: Path, ask: Ask) -> list[dict[str, Any]]:
    sources = labelled_sources(folder)
    with progress() as bar:
        task = bar.add_task("searching", total=len(sources), note="")
        return identify_labelled(sources, ask, partial(bar.advance, task))


@contextmanager
def _asking(arguments: Arguments) -> Iterator[Ask]:
    """What tells who walks in a clip file: the gallery, opened once, or a service."""
    if is_url(arguments.gallery):
        yield partial(_asked, arguments)
        return
    with closing(
        open_gallery(arguments.gallery, bundle=arguments.bundle, readonly=True)
    ) as gallery:
        encoder = arguments.network.encoder(gallery.bundle)
        yield partial(_searched, arguments, gallery, encoder)


def _searched(
    arguments: Arguments, gallery: Gallery, encoder: Encoder, clip: Path
) -> dict[str, Any]:
    decoded = decode_file(clip, arguments.modality, arguments.points.source, encoder.range_style)
    require_quality(decoded.quality, arguments.quality)
    (embedding,) = encoder.embed([decoded.clip])
    left = passed_over(decoded.clip, encoder.frames)
    found = gallery.search(
        embedding,
        decoded.clip.modality,
        _policy(arguments),
        top_k=arguments.top_k,
        modality=arguments.gallery_modality,
    )
    decision = found.decision
    shown = found.candidates if arguments.all_candidates else decision.shown(found.candidates)
    return {
        "gallery": arguments.gallery,
        "contract": gallery.contract,
        "revision": found.revision,
        "provider": encoder.provider,
        "variant": encoder.choice.variant,
        "modality": decoded.clip.modality,
        "format": decoded.format,
        "frames_in": decoded.frames_in,
        "frames_used": decoded.frames_used - sum(left.values()),
        "dropped": decoded.dropped | left,
        "assumed": decoded.assumed,
        "quality": round(decoded.quality.score, 3),
        "quality_reasons": decoded.quality.reasons,
        "decision": decision.verdict,
        "thresholds": decision.thresholds and decision.thresholds.model_dump(mode="json"),
        "undecided": decision.undecided,
        "candidates": [asdict(each) for each in shown],
    }


def _asked(arguments: Arguments, clip: Path) -> dict[str, Any]:
    if arguments.purpose is None:
        raise ConfigError("a service wants to know why: give --purpose")
    url, gallery = _service_and_gallery(arguments.gallery)
    file = arguments.key_file
    client = Client(url, None if file is None else read_secret("--key-file", file))
    found = client.identify(
        read_file(clip),
        arguments.purpose,
        gallery=gallery,
        top_k=arguments.top_k,
        modality=arguments.modality,
        gallery_modality=arguments.gallery_modality,
        sensor=arguments.points.sensor,
        forward=arguments.points.forward,
        up=arguments.points.up,
        all_candidates=arguments.all_candidates,
    )
    return {
        "gallery": arguments.gallery,
        "contract": found.model.contract,
        "revision": found.gallery_revision,
        "modality": found.probe.modality,
        "format": found.probe.format,
        "frames_in": found.probe.frames_in,
        "frames_used": found.probe.frames_used,
        "dropped": found.probe.frames_dropped,
        "assumed": found.probe.assumed,
        "decision": found.decision,
        "thresholds": found.thresholds and found.thresholds.model_dump(mode="json"),
        "undecided": found.undecided,
        "quality": found.probe.quality,
        "quality_reasons": found.probe.quality_reasons,
        "candidates": [asdict(each) for each in found.candidates],
        "request_id": found.request_id,
        "audit_id": found.audit_id,
    }


def _policy(arguments: Arguments) -> Policy:
    return Policy(
        match_fpir=arguments.match_fpir,
        possible_fpir=arguments.possible_fpir,
        own_calibration=arguments.own_calibration,
    )


def _service_and_gallery(location: str) -> tuple[str, str | None]:
    """The service's address, and the last part of the path: a gallery, None for its default."""
    location = location.rstrip("/")
    if not location.partition("://")[2].partition("/")[2]:
        return location, None
    url, _, gallery = location.rpartition("/")
    return url, unquote(gallery)


def _table(facts: Mapping[str, Any]) -> str:
    head = ("rank", "subject", "similarity", "modality", "template", "source")
    rows = [
        (rank, c["subject"], f"{c['similarity']:.4f}", c["modality"], c["template"],
         c.get("source", ""))
        for rank, c in enumerate(facts["candidates"], start=1)
    ]  # fmt: skip
    used = f"{facts['frames_used']} of {facts['frames_in']} frames, {facts['format']}"
    wrong = "".join(f", {reason}" for reason in facts["quality_reasons"])
    quality = f"quality {facts['quality']:.2f}{wrong}"
    first = f"{facts['modality']} clip, {used}, {quality}"
    assumed = ", ".join(f"{name} {value}" for name, value in facts["assumed"].items())
    lines = [first, f"assumed: {assumed}"] if assumed else [first]
    return "\n".join([*lines, _decided(facts), table(head, rows)])


def _decided(facts: Mapping[str, Any]) -> str:
    thresholds = facts["thresholds"]
    if facts["decision"] is None:
        return f"undecided: {facts['undecided']}"
    if thresholds is None:
        return f"{facts['decision']}: nobody is enrolled who could be found"
    return (
        f"{facts['decision']} (match from {thresholds['match']['similarity']:.4f}, possible from "
        f"{thresholds['possible']['similarity']:.4f}): {thresholds['meaning']}"
    )


if __name__ == "__main__":
    run(main)
