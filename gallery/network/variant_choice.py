"""Which variant of a bundle runs here, and why."""

import platform
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from gait.errors import BundleError
from gait.variant import Variant

_CPUINFO = Path("/proc/cpuinfo")

_INTEGER = {
    "amx_int8": "AMX-INT8",
    "avx512_vnni": "AVX-512 VNNI",
    "avx_vnni": "AVX-VNNI",
    "i8mm": "ARM I8MM",
    "asimddp": "ARM dot product",
}
"""Flags of /proc/cpuinfo that mean sums of 8-bit products in one instruction, the best first."""


@dataclass(frozen=True)
class Choice:
    """A variant, and the reason in words that follow "because"."""

    variant: Variant
    reason: str


def choose(
    held: Collection[Variant], *, cuda: bool, asked: Variant | None, integer: str | None
) -> Choice:
    """The best of the variants that a bundle holds.

    Args:
        held: by the bundle; fp32 is always among them.
        cuda: the network runs on a GPU.
        asked: the only one wanted; None for the best.
        integer: what `integer_instructions` found.

    Raises:
        BundleError: the bundle does not hold the one asked for.
    """
    if asked is not None:
        if asked not in held:
            raise BundleError(
                f"the bundle holds no {asked} but {', '.join(sorted(held))}: make it with "
                f"`python -m export.onnx ckpt.pt --variant {asked}`"
            )
        return Choice(asked, "it was asked for")
    if cuda:
        if Variant.FP16 in held:
            return Choice(Variant.FP16, "it runs on CUDA")
        return Choice(Variant.FP32, "it runs on CUDA, and the bundle has no fp16")
    if integer is None:
        return Choice(Variant.FP32, "this CPU is not known to have instructions for int8")
    if Variant.INT8 in held:
        return Choice(Variant.INT8, f"this CPU has {integer}")
    return Choice(Variant.FP32, f"the bundle has no int8, though this CPU has {integer}")


def integer_instructions() -> str | None:
    """The name of this CPU's best instructions for 8-bit networks; None if it has none, or where
    that cannot be found out: on systems other than Linux and macOS."""
    if platform.system() == "Darwin":  # every ARM Mac has it
        return "ARM dot product" if platform.machine() == "arm64" else None
    try:
        text = _CPUINFO.read_text()
    except OSError:
        return None
    match = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    flags = set(match[1].split()) if match else set()
    return next((name for flag, name in _INTEGER.items() if flag in flags), None)
