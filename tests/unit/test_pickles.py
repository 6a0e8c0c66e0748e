"""Reading pickles: what is stored comes back, and nothing ever runs."""

import contextlib
import os
import pickle
import pickletools
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gait.errors import CorruptDataError, DataError, ForbiddenPickleError
from gait.pickles import load_arrays

pytestmark = pytest.mark.serving

RNG = np.random.default_rng(0)
GOOD: list[Any] = [
    RNG.integers(0, 255, (5, 3, 8, 8), dtype=np.uint8),
    [RNG.normal(size=(n, 3)) for n in (4, 0, 7)],
    np.asfortranarray(RNG.normal(size=(3, 4)).astype(np.float32)),
    np.array([[True, False]]),
    np.zeros((0, 64, 64), np.uint8),
    np.arange(4, dtype=">i2"),
    {"frames": np.arange(3), "name": "a", 1: (1, 2.5, None, True, "x", b"y", -(10**12))},
    [],
    (),
    [np.float64(3.5), np.int64(-2)],
    (np.arange(2), (np.arange(3), [np.arange(4)])),
]


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    return type(a) is type(b) and bool(a == b)


def _load(folder: Path, data: bytes) -> object:
    path = folder / "a.pkl"
    path.write_bytes(data)
    return load_arrays(path)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("item", GOOD, ids=lambda item: type(item).__name__)
def test_what_was_pickled_comes_back(tmp_path: Path, item: Any, protocol: int) -> None:
    assert _same(item, _load(tmp_path, pickle.dumps(item, protocol)))


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_pickles_of_numpy_1_are_read(tmp_path: Path, protocol: int) -> None:
    old = pickle.dumps(GOOD[0], protocol).replace(b"numpy._core", b"numpy.core")
    if protocol >= 4:  # the name is one byte shorter, and so is the frame that holds it
        old = old.replace(
            bytes([len(b"numpy._core.multiarray")]) + b"numpy.core.multiarray",
            bytes([len(b"numpy.core.multiarray")]) + b"numpy.core.multiarray",
        ).replace(
            bytes([len(b"numpy._core.numeric")]) + b"numpy.core.numeric",
            bytes([len(b"numpy.core.numeric")]) + b"numpy.core.numeric",
        )
    assert _same(GOOD[0], _load(tmp_path, old))


def test_object_arrays_hold_arrays_also_the_same_one_twice(tmp_path: Path) -> None:
    cloud = np.arange(6.0).reshape(2, 3)
    item = np.empty(3, dtype=object)
    item[:] = [cloud, cloud, np.zeros((1, 3))]
    read = _load(tmp_path, pickle.dumps(item, 4))
    assert isinstance(read, np.ndarray)
    assert read.dtype == object
    assert read[0] is read[1]
    assert all(map(_same, item, read))


class _Runs:
    """Pickles as a call of `function(*arguments)`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


class _Sub(np.ndarray[Any, Any]):
    pass


class _Plain:
    pass


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_pickle_that_runs_a_command_does_not(tmp_path: Path, protocol: int) -> None:
    witness = tmp_path / "ran"
    data = pickle.dumps([np.zeros(3), _Runs(os.system, f"touch {witness}")], protocol)
    with pytest.raises(ForbiddenPickleError, match=r"a\.pkl asks for posix\.system") as caught:
        _load(tmp_path, data)
    assert not witness.exists()
    assert caught.value.fields["file"] == str(tmp_path / "a.pkl")
    pickle.loads(data)  # noqa: S301  (the same bytes do run elsewhere, so the test can fail)
    assert witness.exists()


ARRAY = pickle.dumps(np.zeros(1, np.uint8), 2)
HEAD = ARRAY[: ARRAY.index(b"(K\x01")]
HOSTILE = {
    "eval": pickle.dumps(_Runs(eval, "1"), 4),
    "getattr": b"\x80\x02cbuiltins\ngetattr\n.",
    "subclass": pickle.dumps(np.zeros(3).view(_Sub), 4),
    "matrix": b"\x80\x02cnumpy\nmatrix\n.",
    "numpy function": b"\x80\x02cnumpy.core.multiarray\nfromfile\n.",
    "numpy load": b"\x80\x02cnumpy\nload\n.",
    "dotted name": pickle.dumps(_Plain.__init__, 4),
    "an object": pickle.dumps(_Plain(), 4),
    "an object, protocol 0": pickle.dumps(_Plain(), 0),
    "structured dtype": pickle.dumps(np.zeros(2, "u1,u1"), 4),
    "date dtype": pickle.dumps(np.zeros(2, "M8[s]"), 4),
    "complex dtype": pickle.dumps(np.zeros(2, complex), 4),
    "a set": pickle.dumps({1, 2}, 4),
    "ext": b"\x80\x02\x82\x01.",
    "persistent id": b"\x80\x02K\x01Q.",
    "out of band": b"\x80\x05\x97.",
    "inst": b"(ios\nsystem\n.",
    "obj": b"\x80\x02(cos\nsystem\no.",
    "newobj": b"\x80\x02cnumpy\nndarray\n)\x81.",
    "call of an array": ARRAY[:-1] + b")R.",
    "call of a string": b"\x80\x02X\x07\x00\x00\x00ndarray)R.",
    "ndarray called": b"\x80\x02cnumpy\nndarray\nK\x09\x85R.",
    "encode to another codec": b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00zip"
    b"\x86R.",
    "build on a list": b"\x80\x02]}b.",
    "build on a function": b"\x80\x02cnumpy\ndtype\n}b.",
    "name as a value": b"\x80\x02cnumpy\ndtype\n.",
    "name in a list": b"\x80\x02]cnumpy\ndtype\na.",
    "name in a tuple in a list": b"\x80\x02]cnumpy\ndtype\n\x85\x85a.",
    "array without data": HEAD + b".",
    "array without data in a list": HEAD[:2] + b"]" + HEAD[2:] + b"a.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_anything_else_is_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ForbiddenPickleError, match=r"a\.pkl asks for "):
        _load(tmp_path, HOSTILE[name])


def _state(shape: bytes, data: bytes, dtype: bytes = b"u1") -> bytes:
    """A protocol 2 array whose state tuple is hand-made."""
    code = b"X" + struct.pack("<I", len(dtype)) + dtype
    parts = b"(K\x01" + shape + b"cnumpy\ndtype\n" + code + b"\x85R\x89" + data + b"tb."
    return HEAD + parts


CORRUPT = {
    "empty": b"",
    "text": b"hello",
    "no stop": b"\x80\x04]",
    "stack underflow": b"\x80\x02a.",
    "mark underflow": b"\x80\x02t.",
    "pop below a mark": b"\x80\x02]](aa.",
    "nothing left": b"\x80\x02.",
    "unknown memo": b"\x80\x02h\x07.",
    "list as a dict key": b"\x80\x02}](h.",
    "array as a dict key": b"\x80\x02}" + ARRAY[2:-1] + b"Ns.",
    "negative side": _state(b"J\xff\xff\xff\xff\x85", b"C\x00"),
    "sides too large": _state(b"\x8a\x09" + b"\xff" * 8 + b"\x00K\x00\x86", b"C\x00"),
    "more than the file has": _state(b"J\xff\xff\xff\x7f\x85", b"C\x01a"),
    "data is a number": _state(b"K\x01\x85", b"K\x01"),
    "objects are not a list": _state(b"K\x01\x85", b"C\x01a", b"O"),
    "fewer objects": _state(b"K\x02\x85", b"]", b"O"),
    "shape is a list": _state(b"]", b"C\x00"),
    "a shape of strings": _state(b"X\x01\x00\x00\x00a\x85", b"C\x01a"),
    "state is a number": HEAD + b"K\x01b.",
    "a name with an unknown escape": b"\x80\x02cnumpy\ndty\\ype\n.",
    "65 dimensions": _state(b"(" + b"K\x01" * 65 + b"t", b"C\x01a"),
}


@pytest.mark.parametrize("name", CORRUPT)
def test_a_broken_pickle_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(CorruptDataError, match=r"a\.pkl is truncated or not a pickle of arrays"):
        _load(tmp_path, CORRUPT[name])


@pytest.mark.parametrize("item", GOOD[:3], ids=["uint8", "clouds", "fortran"])
def test_every_truncation_is_an_error(tmp_path: Path, item: Any) -> None:
    data = pickle.dumps(item, 4)
    for end in range(0, len(data), max(1, len(data) // 100)):
        with pytest.raises(CorruptDataError):
            _load(tmp_path, data[:end])


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(GOOD[0]))
    with pytest.raises(CorruptDataError, match="at most 100 are read"):
        load_arrays(path, limit=100)


BOMBS = {
    "memo index": b"\x80\x02Nr\xff\xff\xff\xff.",
    "bytearray length": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".",
    "frame length": b"\x80\x04\x95" + struct.pack("<Q", 1 << 40) + b"N.",
    "bytes length": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b".",
    "doubling tuples": b"\x80\x02N" + b"q\x00h\x00\x86" * 5_000 + b".",
    "deep lists": b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b".",
    "deep tuple as a key": b"\x80\x02}N" + b"\x85" * 50_000 + b"Ns.",
    "deep tuple as a dtype": b"\x80\x02cnumpy\ndtype\nN" + b"\x85" * 50_000 + b"R.",
}


@pytest.mark.parametrize("name", BOMBS)
def test_memory_stays_within_the_file(tmp_path: Path, name: str) -> None:
    tracemalloc.start()
    try:
        _load(tmp_path, BOMBS[name])
    except DataError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 20_000_000


@given(data=st.data())
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_damaged_bytes_give_a_value_or_a_named_error(tmp_path: Path, data: st.DataObject) -> None:
    good = bytearray(
        pickle.dumps(data.draw(st.sampled_from(GOOD[:7])), data.draw(st.integers(2, 5)))
    )
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DataError):
        _load(tmp_path, bytes(good))


@given(
    codes=st.lists(st.sampled_from(pickletools.opcodes), max_size=12), tail=st.binary(max_size=12)
)
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_program_gives_a_value_or_a_named_error(
    tmp_path: Path, codes: list[pickletools.OpcodeInfo], tail: bytes
) -> None:
    program = b"".join(code.code.encode("latin1") + tail for code in codes)
    with contextlib.suppress(DataError):  # a tail with a STOP in it may end in a value
        _load(tmp_path, program + b"!")
