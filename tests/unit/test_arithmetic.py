"""Which variant runs where."""

from collections.abc import Collection
from pathlib import Path

import pytest

from gait.errors import BundleError
from gait.variant import Variant
from gallery.network.variant_choice import choose, integer_instructions

pytestmark = pytest.mark.serving

ALL, FP32, FP16, INT8 = tuple(Variant), Variant.FP32, Variant.FP16, Variant.INT8


@pytest.mark.parametrize(
    ("held", "cuda", "integer", "want", "because"),
    [
        (ALL, True, "AVX-512 VNNI", FP16, "runs on CUDA"),
        ((FP32, INT8), True, "AVX-512 VNNI", FP32, "no fp16"),
        (ALL, False, "AVX-VNNI", INT8, "this CPU has AVX-VNNI"),
        (ALL, False, None, FP32, "not known to have instructions"),
        ((FP32, FP16), False, "AVX-VNNI", FP32, "no int8, though this CPU has AVX-VNNI"),
        ((FP32,), False, None, FP32, "not known"),
    ],
)
def test_the_best_for_the_hardware_is_chosen_and_the_reason_told(
    held: Collection[Variant], cuda: bool, integer: str | None, want: Variant, because: str
) -> None:
    choice = choose(held, cuda=cuda, asked=None, integer=integer)
    assert choice.variant is want
    assert because in choice.reason


@pytest.mark.parametrize("variant", ALL)
@pytest.mark.parametrize("cuda", [False, True])
def test_what_is_asked_for_is_taken_whatever_the_hardware(variant: Variant, cuda: bool) -> None:
    choice = choose(ALL, cuda=cuda, asked=variant, integer=None)
    assert (choice.variant, choice.reason) == (variant, "it was asked for")


def test_what_the_bundle_lacks_cannot_be_asked_for() -> None:
    with pytest.raises(BundleError, match="holds no int8 but fp16, fp32"):
        choose((FP32, FP16), cuda=False, asked=INT8, integer="AVX-VNNI")


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2\n", None),
        ("flags\t\t: fpu avx2 avx_vnni\nbugs\t\t: avx512_vnni\n", "AVX-VNNI"),
        ("flags\t\t: avx_vnni avx512_vnni\n", "AVX-512 VNNI"),
        ("flags\t\t: avx_vnni avx512_vnni amx_int8\n", "AMX-INT8"),
        ("Features\t: fp asimd asimddp\n", "ARM dot product"),
        ("Features\t: fp asimddp i8mm\n", "ARM I8MM"),
        ("", None),
        (None, None),
    ],
)
def test_the_flags_of_the_cpu_are_read(
    text: str | None, want: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cpuinfo"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr("gallery.network.variant_choice._CPUINFO", path)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert integer_instructions() == want


@pytest.mark.parametrize(("machine", "want"), [("arm64", "ARM dot product"), ("x86_64", None)])
def test_macs_are_told_by_their_machine(
    machine: str, want: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert integer_instructions() == want
