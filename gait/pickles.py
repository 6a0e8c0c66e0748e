"""Reading pickled arrays without running anything.

A pickle is a program for a small stack machine, and Python's own machine lets that program call
functions and set attributes. This module is another machine for the same files: it knows only the
instructions of which stored numpy arrays, numbers, strings, lists, tuples and dicts consist, and it
never calls or looks up what a file names. Everything else is refused by name.

Memory stays within a small multiple of the file: array data must be in the file, byte for byte.
"""

import math
import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gait.errors import CorruptDataError, ForbiddenPickleError

LIMIT = 1 << 30
"""Bytes: larger files are refused unread. A sequence of SUSTech1K takes a few megabytes."""

_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|O8?")
_NUMPY = re.compile(r"numpy(\._?core\.(multiarray|numeric))?")
_NAMES = {"ndarray", "dtype", "_reconstruct", "scalar", "_frombuffer"}
# How protocol 2 writes bytes.
_BYTES = {("_codecs", "encode"), ("__builtin__", "bytes")}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_DAMAGED = (ValueError, TypeError, IndexError, KeyError, OverflowError, DeprecationWarning)
"""What malformed bytes raise. The last where warnings are errors: a name with an unknown escape."""


def load_arrays(path: Path, *, limit: int = LIMIT) -> object:
    """Reads a pickle of numpy arrays and plain containers; nothing in it can run.

    Args:
        path: a pickle of protocol 2 to 5, written with numpy 1 or 2.
        limit: the largest file read, in bytes.

    Returns:
        What was pickled: arrays (read-only, real numbers or objects), numbers, strings, bytes and
        lists, tuples, dicts of them.

    Raises:
        ForbiddenPickleError: it asks for anything else; the message names the file and the object.
        CorruptDataError: it is truncated, malformed, or larger than `limit`.
    """
    size = path.stat().st_size
    if size > limit:
        raise CorruptDataError(f"{path} has {size} bytes, at most {limit} are read", file=str(path))
    try:
        return _Machine().run(path.read_bytes())
    except _ForbiddenError as error:
        raise ForbiddenPickleError(
            f"{path} asks for {error}, but only numpy arrays and plain containers are read; "
            "do not use this file",
            file=str(path),
        ) from error
    except _DAMAGED as error:
        raise CorruptDataError(
            f"{path} is truncated or not a pickle of arrays ({error})", file=str(path)
        ) from error


class _ForbiddenError(Exception):
    """The pickle names something that is never read; the message says what."""


class _Symbol(str):
    """The name of one of the few numpy things a stored array refers to."""


class _Dtype:
    """A dtype being read: its code, and its byte order once that has come."""

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or not _DTYPE.fullmatch(code):
            raise _ForbiddenError(
                f"numpy.dtype({code[:40]!r})" if isinstance(code, str) else "a dtype"
            )
        self.value = np.dtype(code)

    def build(self, state: Any) -> "_Dtype":
        order, *structure = state[1:5]
        if structure != [None, None, None] or order not in ("<", ">", "|", "="):
            raise _ForbiddenError("a structured numpy.dtype")
        self.value = self.value.newbyteorder(order)
        return self


class _Array:
    """An array announced but not read yet; `value` is set when its data has come."""

    value: NDArray[Any] | None = None

    def build(self, state: Any) -> NDArray[Any]:
        _, shape, dtype, fortran, data = state
        self.value = _array(data, dtype, shape, "F" if fortran else "C")
        return self.value


class _Arguments(tuple[Any, ...]):
    """A tuple with an unfinished part in it: good for making an array, not for keeping."""


_PARTS = (_Symbol, _Dtype, _Array, _Arguments)


def _array(data: Any, dtype: Any, shape: Any, order: Any) -> NDArray[Any]:
    """An array over `data`, which must hold exactly its elements.

    Raises:
        TypeError, ValueError: `data`, `dtype` and `shape` do not fit each other.
    """
    if not isinstance(dtype, _Dtype) or not isinstance(shape, tuple):
        raise TypeError("an array without dtype or shape")
    if not all(isinstance(side, int) and side >= 0 for side in shape):
        raise ValueError("an array whose shape is not made of counts")
    if dtype.value.hasobject:
        return _object_array(data, shape, order)
    if not isinstance(data, bytes | bytearray):
        raise TypeError(f"array data of type {type(data).__name__}")
    if len(data) != math.prod(shape) * dtype.value.itemsize:
        raise ValueError(f"{len(data)} bytes for an array of shape {shape}"[:200])
    array = np.ndarray(shape, dtype.value, buffer=data, order=order)
    array.flags.writeable = False
    return array


def _object_array(items: Any, shape: tuple[int, ...], order: Any) -> NDArray[Any]:
    if not isinstance(items, list) or len(items) != math.prod(shape):
        raise ValueError("an object array whose list does not fit its shape")
    flat = np.empty(len(items), dtype=object)
    for index, item in enumerate(items):
        flat[index] = item
    return flat.reshape(shape, order=order)


def _call(name: object, arguments: Any) -> object:
    """What the pickle would get by calling `name`: one of six things, made here."""
    match name, arguments:
        case "encode", (str() as text, "latin1"):
            return text.encode("latin1")
        case "bytes", ():
            return b""
        case "dtype", (code, *_):
            return _Dtype(code)
        case "_reconstruct", ("ndarray", *_):
            return _Array()
        case "scalar", (_Dtype() as dtype, data) if not dtype.value.hasobject:
            return _array(data, dtype, (), "C")[()]
        case "_frombuffer", (data, dtype, shape, ("C" | "F") as order):
            return _array(data, dtype, shape, order)
    raise _ForbiddenError(f"a call of {str(name)[:80]!r}")


class _Machine:
    """The stack machine: one method for each kind of instruction it knows."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self, data: bytes) -> object:
        for opcode, argument, _ in pickletools.genops(data):
            self.step(opcode.name, argument)
        (result,) = self.stack
        return _finished(result)

    def step(self, name: str, argument: Any) -> None:
        if name in _LITERALS:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _TUPLES:
            self.tuple(self.pop(_TUPLES[name]))
        elif name in _STEPS:
            _STEPS[name](self, argument)
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise _ForbiddenError(f"the instruction {name}")

    def pop(self, count: int) -> list[Any]:
        cut = len(self.stack) - count
        if not 0 <= cut <= len(self.stack):
            raise IndexError("the stack is empty")
        items = self.stack[cut:]
        del self.stack[cut:]
        return items

    def pop_mark(self) -> list[Any]:
        return self.pop(len(self.stack) - self.marks.pop())

    def tuple(self, items: list[Any]) -> None:
        unfinished = any(isinstance(item, _PARTS) for item in items)
        self.stack.append(_Arguments(items) if unfinished else tuple(items))

    def extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise TypeError("items for something that is not a list")
        target.extend(_finished(item) for item in items)

    def update(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict:
            raise TypeError("entries for something that is not a dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in (str, int):
                raise TypeError(f"a dict key of type {type(key).__name__}")
            target[key] = _finished(value)

    def get(self, index: int) -> None:
        item = self.memo[index]
        built = isinstance(item, _Array) and item.value is not None
        self.stack.append(item.value if built else item)

    def put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def symbol(self, module: object, name: object) -> None:
        numpy = isinstance(module, str) and _NUMPY.fullmatch(module) and name in _NAMES
        if not numpy and (module, name) not in _BYTES:
            raise _ForbiddenError(f"{module}.{name}"[:120])
        self.stack.append(_Symbol(name))

    def reduce(self) -> None:
        function, arguments = self.pop(2)
        if not isinstance(function, _Symbol):
            raise _ForbiddenError(f"a call of {type(function).__name__}")
        self.stack.append(_call(function, arguments))

    def build(self) -> None:
        target, state = self.pop(2)
        if not isinstance(target, _Dtype | _Array):
            raise _ForbiddenError(f"to change a {type(target).__name__}")
        self.stack.append(target.build(state))


def _finished(item: Any) -> Any:
    """The item, if it is a value and not a part of one."""
    if isinstance(item, _PARTS):
        raise _ForbiddenError(
            f"{item} as a value" if isinstance(item, _Symbol) else "half an array"
        )
    return item


_STEPS: dict[str, Callable[[_Machine, Any], object]] = {
    "MARK": lambda m, _: m.marks.append(len(m.stack)),
    "EMPTY_LIST": lambda m, _: m.stack.append([]),
    "EMPTY_DICT": lambda m, _: m.stack.append({}),
    "APPEND": lambda m, _: m.extend(m.pop(1)),
    "APPENDS": lambda m, _: m.extend(m.pop_mark()),
    "SETITEM": lambda m, _: m.update(m.pop(2)),
    "SETITEMS": lambda m, _: m.update(m.pop_mark()),
    "TUPLE": lambda m, _: m.tuple(m.pop_mark()),
    "MEMOIZE": lambda m, _: m.put(len(m.memo)),
    "BINPUT": lambda m, index: m.put(index),
    "LONG_BINPUT": lambda m, index: m.put(index),
    "BINGET": lambda m, index: m.get(index),
    "LONG_BINGET": lambda m, index: m.get(index),
    "STACK_GLOBAL": lambda m, _: m.symbol(*m.pop(2)),
    "GLOBAL": lambda m, name: m.symbol(*name.split(" ", 1)),
    "REDUCE": lambda m, _: m.reduce(),
    "BUILD": lambda m, _: m.build(),
}
