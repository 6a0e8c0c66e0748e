"""Command: what is this gallery?

python -m gallery.info --gallery gallery
"""

import json
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from gait.cli import run
from gait.errors import CalibrationError
from gait.manifest import Manifest
from gait.modality import Modality
from gallery.command_line import options
from gallery.decision.decision import USUAL
from gallery.decision.tail import largest_size
from gallery.gallery import Gallery
from gallery.network.encoder import chosen
from gallery.network.session import Device, expected_provider
from gallery.opening import open_gallery
from gallery.record import clock

Facts = dict[str, str | int | None]

SOON = timedelta(days=30)


@dataclass(frozen=True)
class Arguments:
    """Describes a gallery and the model it was made with. Reads every template, to find those that
    are damaged (`gallery.list --template ID` says whose they are)."""

    gallery: options.Location
    bundle: options.BundleOfUrl = None
    json: options.AsJson = False


def main() -> None:
    """Describes as the command line says."""
    arguments = options.parse(Arguments, "gallery.info")
    with closing(
        open_gallery(arguments.gallery, bundle=arguments.bundle, readonly=True)
    ) as gallery:
        gallery.check()
        facts = describe(gallery)
    if arguments.json:
        print(json.dumps(facts))
    else:
        print("\n".join(f"{name:<22}{value}" for name, value in facts.items()))


def describe(gallery: Gallery) -> Facts:
    now, model = datetime.fromtimestamp(clock.now(), UTC), Manifest.load(gallery.bundle)
    choice = chosen(model, expected_provider(Device.AUTO), None)
    return {
        "gallery": gallery.location,
        "id": gallery.id,
        "contract": gallery.contract,
        "revision": gallery.revision,
        **asdict(gallery.counts()),
        "expired": gallery.expiring(now),
        "expire_in_30_days": gallery.expiring(now + SOON) - gallery.expiring(now),
        "damaged": " ".join(map(str, gallery.damaged)) or "none",
        "master_key": gallery.master_key,
        "dimension": gallery.dimension,
        "metric": model.metric,
        "variants": " ".join(model.variants),
        "variant_here": choice.variant,
        "variant_reason": choice.reason,
        "model_created": model.created.isoformat(timespec="seconds"),
        "checkpoint": model.checkpoint.sha256,
        "iteration": model.checkpoint.iteration,
        "trained_on": "simulated people" if model.simulated else "real people",
        **_decisions(gallery),
    }


def _decisions(gallery: Gallery) -> Facts:
    """Whose calibration decides, how far it reaches, and what it says of this many people."""
    try:
        found = gallery.calibration
    except CalibrationError as error:
        return {"calibration": f"damaged, and nothing is decided: {error}"}
    if found is None:
        return {"calibration": "none: similarities only rank people; see gallery.calibrate"}
    calibration, whose = found
    kind = "simulated people" if calibration.simulated else "people"
    reach = {
        f"decides_at_fpir_{rate:g}": f"among up to {largest_size(calibration.people, rate)} people"
        for rate in (USUAL.match_fpir, USUAL.possible_fpir)
    }
    return {
        "calibration": f"the {whose}'s, on {calibration.people} {kind} of {calibration.data}",
        "calibration_sha256": calibration.sha256,
        **reach,
        **{f"decides_{probe}": _thresholds(gallery, probe) for probe in Modality},
    }


def _thresholds(gallery: Gallery, probe: Modality) -> str:
    if not gallery.counts().templates:
        return "nobody is enrolled"
    decision = gallery.decision_on(-1, probe)
    assert decision is not None  # there is a calibration
    if decision.thresholds is None or decision.thresholds.possible is None:
        return f"nothing: {decision.undecided}"
    found, possible = decision.thresholds.match, decision.thresholds.possible
    return (
        f"match from {found.similarity:.4f}, possible from {possible.similarity:.4f}: "
        f"{decision.thresholds.meaning}"
    )


if __name__ == "__main__":
    run(main)
