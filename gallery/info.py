"""Command: what is this gallery?

python -m gallery.info --gallery gallery
"""

import json
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from gait.cli import run
from gait.manifest import Manifest
from gallery.command_line import options
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
        facts = _facts(gallery)
    if arguments.json:
        print(json.dumps(facts))
    else:
        print("\n".join(f"{name:<20}{value}" for name, value in facts.items()))


def _facts(gallery: Gallery) -> Facts:
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
    }


if __name__ == "__main__":
    run(main)
