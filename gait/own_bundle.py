"""The model bundle that comes with the package: used where no other is named."""

from pathlib import Path

from gait.errors import BundleError
from gait.manifest import MANIFEST

OWN_BUNDLE = Path(__file__).parent / "models" / "walkers"
"""Graphs, manifest and calibration, the training record and the model card (README.md)."""


def own_bundle() -> Path:
    """Its folder.

    Raises:
        BundleError: this installation came without it.
    """
    if not (OWN_BUNDLE / MANIFEST).is_file():
        raise BundleError(
            f"this installation has no model bundle of its own ({OWN_BUNDLE}): name one with "
            "--bundle, made with `python -m export.onnx ckpt.pt`"
        )
    return OWN_BUNDLE
