"""The convolutional part of a frozen TensorFlow SSD graph as an ONNX model, in memory.

Both formats are protobuf messages; the few fields that matter are read and written here, so that
neither TensorFlow nor `onnx` is needed. The graph is rebuilt from its ends: six pairs of box and
class predictions, back to the picture.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gait.errors import WeightsError

PAIRS = 6
"""Maps of the detector, each with boxes and classes."""

_FLOAT = 1
_IR_VERSION, _OPSET = 8, 17
Value = int | bytes


@dataclass
class _Node:
    name: str = ""
    op: str = ""
    inputs: list[str] = field(default_factory=list)
    attributes: dict[str, bytes] = field(default_factory=dict)


def to_onnx(frozen: bytes) -> bytes:
    """An ONNX model with input `x` `(1, 3, h, w)`, RGB in −1..1, of any size, and 12 outputs.

    Outputs `2k` and `2k + 1` are map `k`'s boxes and class logits, channels first.

    Raises:
        WeightsError: the file is no such graph.
    """
    try:
        return _Conversion(_nodes(frozen)).model()
    except (IndexError, KeyError, StopIteration, struct.error, UnicodeDecodeError) as error:
        raise WeightsError(f"the detector is not a frozen SSDLite graph: {error!r}") from error


class _Conversion:
    def __init__(self, graph: dict[str, _Node]) -> None:
        self._graph = graph
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []
        self._done: dict[str, str] = {}

    def model(self) -> bytes:
        self._constant("zero", np.float32(0))
        self._constant("six", np.float32(6))
        predictors = ("BoxEncodingPredictor", "ClassPredictor")
        outputs = [
            self._output_of(f"BoxPredictor_{k}/{predictor}/BiasAdd")
            for k in range(PAIRS)
            for predictor in predictors
        ]
        graph = b"".join(_message(1, node) for node in self._nodes) + _message(2, "ssdlite")
        graph += b"".join(_message(5, each) for each in self._constants)
        graph += _message(11, _value_info("x", (1, 3, "h", "w")))
        graph += b"".join(_message(12, _value_info(each)) for each in outputs)
        opset = _message(1, "") + _message(2, _OPSET)
        return _message(1, _IR_VERSION) + _message(7, graph) + _message(8, opset)

    def _output_of(self, name: str) -> str:
        if name not in self._done:
            self._done[name] = self._convert(name, self._graph[name])
        return self._done[name]

    def _convert(self, name: str, node: _Node) -> str:
        if name.startswith("Preprocessor") and node.op == "Sub":
            return "x"
        if node.op == "Identity":
            return self._output_of(node.inputs[0])
        if node.op in ("Conv2D", "DepthwiseConv2dNative"):
            return self._convolution(name, node)
        if node.op == "FusedBatchNorm":
            epsilon = next(v for f, v in _fields(node.attributes["epsilon"]) if f == 4)
            constants = [
                self._constant(f"{name}/{k}", self._numbers(node.inputs[1 + k])) for k in range(4)
            ]
            inputs = [self._output_of(node.inputs[0]), *constants]
            (value,) = struct.unpack("<f", _bytes(epsilon))
            return self._add("BatchNormalization", inputs, name, epsilon=float(value))
        if node.op == "Relu6":
            return self._add("Clip", [self._output_of(node.inputs[0]), "zero", "six"], name)
        if node.op == "Add":
            return self._add("Add", [self._output_of(each) for each in node.inputs], name)
        if node.op == "BiasAdd":
            bias = self._numbers(node.inputs[1]).reshape(1, -1, 1, 1)
            inputs = [self._output_of(node.inputs[0]), self._constant(f"{name}/bias", bias)]
            return self._add("Add", inputs, name)
        raise WeightsError(f"{name}: the operation {node.op} is not expected in this detector")

    def _convolution(self, name: str, node: _Node) -> str:
        weights = self._numbers(node.inputs[1])
        depthwise = node.op != "Conv2D"
        groups = weights.shape[2] if depthwise else 1
        weights = weights.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
        listed = _bytes(next(v for f, v in _fields(node.attributes["strides"]) if f == 1))
        strides = [i for f, v in _fields(listed) if f == 3 for i in _integers(v)][1:3]
        padding = next(v for f, v in _fields(node.attributes["padding"]) if f == 2)
        return self._add(
            "Conv",
            [self._output_of(node.inputs[0]), self._constant(f"{name}/weights", weights)],
            name,
            strides=strides,
            group=int(groups),
            kernel_shape=[int(size) for size in weights.shape[2:]],
            auto_pad="SAME_UPPER" if padding == b"SAME" else "VALID",
        )

    def _numbers(self, name: str) -> NDArray[np.float32]:
        while self._graph[name].op == "Identity":
            name = self._graph[name].inputs[0]
        return _tensor(self._graph[name].attributes["value"])

    def _constant(self, name: str, numbers: NDArray[np.float32] | np.float32) -> str:
        array = np.asarray(numbers, "<f4")
        shape = b"".join(_message(1, size) for size in array.shape)
        data = np.ascontiguousarray(array).tobytes()
        self._constants.append(shape + _message(2, _FLOAT) + _message(8, name) + _message(9, data))
        return name

    def _add(
        self, op: str, inputs: list[str], output: str, **attributes: int | float | str | list[int]
    ) -> str:
        node = b"".join(_message(1, each) for each in inputs)
        node += _message(2, output) + _message(3, output) + _message(4, op)
        node += b"".join(_message(5, _attribute(k, v)) for k, v in attributes.items())
        self._nodes.append(node)
        return output


def _attribute(name: str, value: int | float | str | list[int]) -> bytes:
    named = _message(1, name)
    if isinstance(value, int):
        return named + _message(3, value) + _message(20, 2)
    if isinstance(value, float):
        return named + _varint(2 << 3 | 5) + struct.pack("<f", value) + _message(20, 1)
    if isinstance(value, str):
        return named + _message(4, value) + _message(20, 3)
    return named + b"".join(_message(8, each) for each in value) + _message(20, 7)


def _value_info(name: str, shape: tuple[int | str, ...] = ()) -> bytes:
    sizes = b"".join(
        _message(1, _message(1, size) if isinstance(size, int) else _message(2, size))
        for size in shape
    )
    tensor = _message(1, _FLOAT) + (_message(2, sizes) if shape else b"")
    return _message(1, name) + _message(2, _message(1, tensor))


def _nodes(frozen: bytes) -> dict[str, _Node]:
    nodes = {}
    for number, value in _fields(frozen):
        if number == 1:
            node = _node(_bytes(value))
            nodes[node.name] = node
    return nodes


def _node(data: bytes) -> _Node:
    node = _Node()
    for number, value in _fields(data):
        if number == 1:
            node.name = _bytes(value).decode()
        elif number == 2:
            node.op = _bytes(value).decode()
        elif number == 3:
            node.inputs.append(_bytes(value).decode().split(":")[0])
        elif number == 5:
            entry = dict(_fields(_bytes(value)))
            node.attributes[_bytes(entry[1]).decode()] = _bytes(entry.get(2, b""))
    return node


def _tensor(attribute: bytes) -> NDArray[np.float32]:
    """The numbers of a constant; one number stands for a whole array of it."""
    shape: list[int] = []
    raw, values = b"", list[float]()
    for number, value in _fields(_bytes(next(v for f, v in _fields(attribute) if f == 8))):
        if number == 2:
            sizes = [_bytes(v) for f, v in _fields(_bytes(value)) if f == 2]
            shape = [int(next((v for f, v in _fields(each) if f == 1), 0)) for each in sizes]
        elif number == 4:
            raw = _bytes(value)
        elif number == 5:
            values += struct.unpack(f"<{len(_bytes(value)) // 4}f", _bytes(value))
    array = np.frombuffer(raw, "<f4") if raw else np.array(values, "<f4")
    count = int(np.prod(shape))
    return (array if array.size == count else np.full(count, array[0], "<f4")).reshape(shape)


def _fields(data: bytes) -> Iterator[tuple[int, Value]]:
    """Number and value of each field of a message."""
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _read_varint(data, at)
            yield key >> 3, value
            continue
        if kind == 2:
            size, at = _read_varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise WeightsError("the detector is not a protobuf message")
        yield key >> 3, data[at : at + size]
        at += size


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _integers(value: Value) -> list[int]:
    if isinstance(value, int):
        return [value]
    found, at = [], 0
    while at < len(value):
        number, at = _read_varint(value, at)
        found.append(number)
    return found


def _bytes(value: Value) -> bytes:
    if isinstance(value, int):
        raise WeightsError("the detector has a number where a message is expected")
    return value


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _message(number: int, value: int | str | bytes) -> bytes:
    """One field: a number, or a text or message with its length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data
