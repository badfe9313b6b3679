"""Reads, damages and writes model files. Unlike the package ``gguf`` it writes what contradicts itself."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

ALIGNMENT: Final = 64
STRING, ARRAY = 8, 9
# struct's letters of the other value types.
SCALARS: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}
F32, F16, I8, I32 = 0, 1, 24, 26
ELEMENT_SIZES: Final = {F32: 4, F16: 2, I8: 1, I32: 4, 30: 2}
EXTREMES: Final = [
    0,
    1,
    2,
    3,
    255,
    256,
    65_535,
    65_536,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**32,
    2**63 - 1,
    2**63,
    2**64 - 1,
]
FLOATS: Final = [0.0, -0.0, -1.0, 1e-45, 1e-30, 3e38, -3e38, float("inf"), float("-inf"), float("nan")]


@dataclass
class Value:
    """A value of a key; `element` is the type of an array's elements."""

    type: int
    content: Any
    element: int = 0


@dataclass
class Tensor:
    """A tensor: GGML type, row-major shape, bytes."""

    type: int
    shape: list[int]
    data: bytearray

    def array(self) -> np.ndarray[Any, Any]:
        """View the elements of an F32, I32 or I8 tensor."""
        kind = {F32: np.float32, I32: np.int32, I8: np.int8}.get(self.type, np.uint16)
        return np.frombuffer(self.data, dtype=kind)


@dataclass
class Model:
    """A model file taken apart."""

    keys: dict[str, Value] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)

    @staticmethod
    def read(raw: bytes) -> Model:
        """Take a sound file apart."""
        model, reader = Model(), _Reader(raw)
        reader.take("II")
        tensor_count, key_count = reader.take("QQ")
        for _ in range(key_count):
            name = reader.string().decode()
            (kind,) = reader.take("I")
            model.keys[name] = reader.value(kind)
        places = []
        for _ in range(tensor_count):
            name = reader.string().decode()
            (rank,) = reader.take("I")
            shape = list(reader.take("Q" * rank))[::-1]
            kind, offset = reader.take("IQ")
            places.append((name, kind, shape, offset))
        start = -(-reader.offset // ALIGNMENT) * ALIGNMENT
        for name, kind, shape, offset in places:
            size = ELEMENT_SIZES[kind] * int(np.prod(shape))
            model.tensors[name] = Tensor(kind, shape, bytearray(raw[start + offset : start + offset + size]))
        return model

    def write(self) -> bytes:
        """Put the file together, sound or not."""
        names = [*self.tensors, *self.repeated]
        out = bytearray(struct.pack("<4sIQQ", b"GGUF", 3, len(names), len(self.keys)))
        for name, value in self.keys.items():
            out += _string(name) + struct.pack("<I", value.type) + _payload(value)
        offset = 0
        for name in names:
            tensor = self.tensors[name]
            out += _string(name) + struct.pack("<I", len(tensor.shape))
            out += struct.pack(f"<{len(tensor.shape)}Q", *reversed(tensor.shape))
            out += struct.pack("<IQ", tensor.type, offset)
            offset += -(-len(tensor.data) // ALIGNMENT) * ALIGNMENT
        for name in names:
            out += bytes(-len(out) % ALIGNMENT) + self.tensors[name].data
        return bytes(out + bytes(-len(out) % ALIGNMENT))


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self.raw, self.offset = raw, 0

    def take(self, letters: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{letters}", self.raw, self.offset)
        self.offset += struct.calcsize(f"<{letters}")
        return values

    def string(self) -> bytes:
        (length,) = self.take("Q")
        self.offset += length
        return self.raw[self.offset - length : self.offset]

    def value(self, kind: int) -> Value:
        if kind == STRING:
            return Value(STRING, self.string())
        if kind != ARRAY:
            return Value(kind, self.take(SCALARS[kind])[0])
        element, count = self.take("IQ")
        if element == STRING:
            return Value(ARRAY, [self.string() for _ in range(count)], STRING)
        return Value(ARRAY, list(self.take(SCALARS[element] * count)), element)


def _string(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(raw)) + raw


def _number(kind: int, value: Any) -> bytes:
    letter = SCALARS[kind]
    if letter in "fd":
        if letter == "f" and abs(float(value)) > 3.4e38:
            value = float("inf")
        return struct.pack(f"<{letter}", float(value))
    size = struct.calcsize(letter)
    return (int(value) & ((1 << 8 * size) - 1)).to_bytes(size, "little")


def _payload(value: Value) -> bytes:
    if value.type == STRING:
        return _string(value.content)
    if value.type != ARRAY:
        return _number(value.type, value.content)
    head = struct.pack("<IQ", value.element, len(value.content))
    if value.element == STRING:
        return head + b"".join(_string(one) for one in value.content)
    return head + b"".join(_number(value.element, one) for one in value.content)


# Damage to the bytes --------------------------------------------------------------------------------


def _flip(raw: bytearray, generator: random.Random, end: int) -> None:
    for _ in range(generator.choice([1, 1, 2, 8, 64])):
        raw[generator.randrange(end)] ^= 1 << generator.randrange(8)


def _overwrite(raw: bytearray, generator: random.Random, end: int) -> None:
    size = generator.choice([4, 8])
    start = generator.randrange(max(1, end - size))
    value = generator.choice(EXTREMES) & ((1 << 8 * size) - 1)
    raw[start : start + size] = value.to_bytes(size, "little")


def damage_bytes(raw: bytes, generator: random.Random) -> tuple[str, bytes]:
    """Damage a file without regard to what its bytes mean. Returns what was done, and the file."""
    damaged = bytearray(raw)
    names = ["flip", "flip-header", "extreme", "extreme-header", "truncate", "cut", "repeat", "swap"]
    what = generator.choice(names)
    # The header of the fixtures: keys, then tensor table.
    header = min(len(raw), raw.rindex(b"candidate.bias") + 64 if b"candidate.bias" in raw else 16_384)
    first, second = sorted(generator.randrange(len(raw)) for _ in range(2))
    match what:
        case "flip":
            _flip(damaged, generator, len(damaged))
        case "flip-header":
            _flip(damaged, generator, header)
        case "extreme":
            _overwrite(damaged, generator, len(damaged))
        case "extreme-header":
            _overwrite(damaged, generator, header)
        case "truncate":
            del damaged[first:]
        case "cut":
            del damaged[first : first + generator.choice([1, 8, 64, second - first])]
        case "repeat":
            damaged[second:second] = damaged[first : first + generator.choice([1, 8, 64, second - first])]
        case _:
            length = generator.choice([1, 4, 8, 64])
            a, b = damaged[first : first + length], damaged[second : second + length]
            damaged[first : first + len(b)], damaged[second : second + len(a)] = b, a
    return what, bytes(damaged)


# Damage to the meaning ------------------------------------------------------------------------------


def _number_key(model: Model, generator: random.Random) -> str:
    name = generator.choice([name for name, value in model.keys.items() if value.type in (4, 7)])
    around = [model.keys[name].content + step for step in (-1, 1, 3, 16)]
    model.keys[name].content = generator.choice([*EXTREMES, *around, 2 * around[0]])
    return f"{name}={model.keys[name].content}"


def _float_key(model: Model, generator: random.Random) -> str:
    names = [name for name, value in model.keys.items() if value.type == 6]
    name = generator.choice([*names, "arms.cascade.theta"])
    model.keys[name] = Value(6, generator.choice(FLOATS))
    return f"{name}={model.keys[name].content}"


def _string_key(model: Model, generator: random.Random) -> str:
    name = generator.choice([name for name, value in model.keys.items() if value.type == STRING])
    texts = [
        b"",
        b"\xff\xfe",
        b"a\nb\0c",
        b"x" * 100_000,
        b"mean",
        b"patches",
        b"pooled",
        b"concat",
        b"paper",
        b"scaled",
    ]
    model.keys[name].content = generator.choice(texts)
    return f"{name}={model.keys[name].content[:20]!r}"


def _array_key(model: Model, generator: random.Random) -> str:
    # Not one that a change before this has emptied.
    name = generator.choice(
        [name for name, value in model.keys.items() if value.type == ARRAY and value.content]
    )
    value = model.keys[name]
    place = generator.randrange(len(value.content))
    odd: list[Any] = FLOATS if value.element in (6, 12) else EXTREMES
    if value.element == STRING:
        odd = [
            b"",
            b"\xff",
            b"n" * 200,
            b"a\nb",
            b"\xc3",
            b" ",
            b"small",
            b"large",
            b"t" * 70_000,
            "\u2028".encode(),
        ]
    match generator.choice(["change", "change", "drop", "add", "empty", "repeat"]):
        case "change":
            value.content[place] = generator.choice(odd)
        case "drop":
            del value.content[place]
        case "add":
            value.content.append(generator.choice(odd))
        case "empty":
            value.content.clear()
        case _:
            value.content[place] = value.content[0]
    return f"{name}[{place}]"


def _key_itself(model: Model, generator: random.Random) -> str:
    name = generator.choice(list(model.keys))
    if generator.random() < 0.5:
        del model.keys[name]
        return f"no {name}"
    other = model.keys[generator.choice(list(model.keys))]
    model.keys[name] = other
    return f"{name} of another type"


def _tensor_values(model: Model, generator: random.Random) -> str:
    name = generator.choice([name for name, tensor in model.tensors.items() if tensor.type in (F32, I32, I8)])
    values = model.tensors[name].array()
    integer = values.dtype != np.float32
    odd = generator.choice([0, 1, -1, 127, -128] if integer else FLOATS)
    if values.dtype == np.int32:
        odd = generator.choice([0, 2**31 - 1, -(2**31), 128 * 64, -128 * 64, 1_000])
    if generator.random() < 0.5:
        values[:] = odd
    else:
        values[generator.randrange(len(values))] = odd
    return f"{name} holds {odd}"


def _tensor_shape(model: Model, generator: random.Random) -> str:
    name = generator.choice(list(model.tensors))
    tensor = model.tensors[name]
    place = generator.randrange(len(tensor.shape)) if tensor.shape else 0
    size = ELEMENT_SIZES[tensor.type]
    match generator.choice(["grow", "shrink", "claim", "flat", "rank", "type"]):
        case "grow":
            tensor.shape[place] += generator.choice([1, 16, 64])
            tensor.data = bytearray((tensor.data * 80)[: size * int(np.prod(tensor.shape))])
        case "shrink" if tensor.shape[place] > 1:
            tensor.shape[place] -= 1
            del tensor.data[size * int(np.prod(tensor.shape)) :]
        case "claim":
            tensor.shape[place] = generator.choice(EXTREMES)
        case "flat":
            tensor.shape = [int(np.prod(tensor.shape))]
        case "rank":
            tensor.shape = [*tensor.shape, *[1] * generator.randrange(1, 4)]
        case _:
            tensor.type = generator.choice([F32, F16, I8, I32, 30, 2, 12, 999])
    return f"{name} is {tensor.type} {tensor.shape}"


def _tensor_itself(model: Model, generator: random.Random) -> str:
    names = list(model.tensors)
    name = generator.choice(names)
    match generator.choice(["drop", "float", "repeat", "swap", "smooth"]):
        case "drop":
            del model.tensors[name]
            return f"no {name}"
        case "float":
            return to_float(model, generator.choice([one for one in names if one.endswith(".weight")]))
        case "repeat":
            model.repeated.append(name)
            return f"{name} twice"
        case "swap":
            other = generator.choice(names)
            model.tensors[name], model.tensors[other] = model.tensors[other], model.tensors[name]
            return f"{name} and {other} swapped"
        case _:
            matrix = generator.choice([one for one in names if one.endswith(".weight")])
            width = generator.choice([16, 24, 32, 48])
            odd = generator.choice([1, *FLOATS])
            data = bytearray(np.full(width, odd, dtype=np.float32).tobytes())
            model.tensors[f"{matrix}.smooth"] = Tensor(F32, [width], data)
            return f"{matrix}.smooth of {width} times {odd}"


def to_float(model: Model, name: str) -> str:
    """Make an int8 matrix, as the kernels read it, one of F32 zeros."""
    tensor = model.tensors[name]
    if tensor.type == I8 and len(tensor.shape) == 3:
        bias = model.tensors.get(f"{name.removesuffix('.weight')}.bias")
        outputs = bias.shape[0] if bias and not name.endswith("attn_k.weight") else 16 * tensor.shape[0]
        smooth = model.tensors.get(f"{name}.smooth")
        inputs = smooth.shape[0] if smooth else 4 * tensor.shape[1]
        model.tensors[name] = Tensor(F32, [outputs, inputs], bytearray(4 * outputs * inputs))
        return f"{name} in float"
    return f"{name} as it was"


def _second_router(model: Model, generator: random.Random) -> str:
    """Repeat the router as the cascade's second, whole or in part."""
    parts = generator.choice([("text.", "tokenizer.", "vision."), ()])
    for name, value in list(model.keys.items()):
        own = not name.startswith(("arms.text.", "arms.tokenizer.", "arms.vision."))
        if name.startswith("arms.") and (own or name.removeprefix("arms.").startswith(parts)):
            model.keys[f"arms.second.{name.removeprefix('arms.')}"] = Value(
                value.type, list(value.content) if value.type == ARRAY else value.content, value.element
            )
    names = model.keys.get("arms.second.candidate.names")
    if names and generator.random() < 0.8 and names.type == ARRAY:
        names.content = [b"second " + name for name in names.content]
    for name, tensor in list(model.tensors.items()):
        model.tensors[f"second.{name}"] = Tensor(tensor.type, list(tensor.shape), bytearray(tensor.data))
    return f"two routers, encoders {'each' if parts else 'shared'}"


CHANGES: Final[list[Callable[[Model, random.Random], str]]] = [
    _number_key, _number_key, _number_key, _float_key, _string_key, _array_key, _array_key, _key_itself,
    _tensor_values, _tensor_values, _tensor_values, _tensor_shape, _tensor_shape, _tensor_itself, _second_router,
]  # fmt: skip


def damage_meaning(raw: bytes, generator: random.Random) -> tuple[str, bytes]:
    """Change one to three keys or tensors of a file, which stays well-formed or nearly."""
    model = Model.read(raw)
    done = [generator.choice(CHANGES)(model, generator) for _ in range(generator.choice([1, 1, 1, 2, 3]))]
    return "; ".join(done), model.write()
