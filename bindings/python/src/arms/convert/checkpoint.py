"""Reads a Hugging Face checkpoint: JSON and safetensors, nothing that can hold code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from arms.convert.errors import ConversionError

_FLOAT32_MAX: Final = float(np.finfo(np.float32).max)
_NUMPY_TYPES: Final = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


class Fields:
    """The fields of one JSON object of a checkpoint, each checked when it is read.

    Parameters
    ----------
    values
        The object.
    source
        What messages call it: a file, with the path inside it if it is nested.

    Raises
    ------
    ConversionError
        If `values` is no object.
    """

    def __init__(self, values: Any, source: str) -> None:
        if not isinstance(values, dict):
            raise ConversionError(f"{source}: must be an object, not {_shortened(values)}")
        self.values: dict[str, Any] = values
        self.source = source

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def get(self, name: str, default: Any = None) -> Any:
        """Return a field; null counts as absent."""
        value = self.values.get(name)
        return default if value is None else value

    def nested(self, name: str) -> Fields:
        """Return the object in a field."""
        return Fields(self.get(name), f"{self.source}: {name}")

    def list(self, name: str) -> list[Any]:
        """Return a list; an empty one if there is none."""
        return checked_list(self.get(name, []), f"{self.source}: {name}")

    def integer(self, name: str, default: int | None = None) -> int:
        """Return a positive integer."""
        value = self.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**31:
            raise ConversionError(
                f"{self.source}: {name} = {json.dumps(value)} must be a positive integer"
            )
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """Return a number that float32 holds."""
        value = self.get(name, default)
        if not is_number(value):
            raise ConversionError(
                f"{self.source}: {name} = {json.dumps(value)} must be a finite number"
            )
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        """Return a boolean."""
        value = self.get(name, default)
        if not isinstance(value, bool):
            raise ConversionError(
                f"{self.source}: {name} = {json.dumps(value)} must be true or false"
            )
        return value

    def string(self, name: str, default: str | None = None) -> str:
        """Return a string."""
        value = self.get(name, default)
        if not isinstance(value, str):
            raise ConversionError(f"{self.source}: {name} = {json.dumps(value)} must be a string")
        return value

    def require(self, name: str, *supported: Any, default: Any = None) -> Any:
        """Return a field that must have one of the supported values."""
        value = self.get(name, default)
        # 1 == True in Python, so the types are compared as well.
        if not any(value == one and type(value) is type(one) for one in supported):
            raise self.unsupported(name, value, *supported)
        return value

    def unsupported(self, name: str, value: Any, *supported: Any) -> ConversionError:
        """Return the error that refuses a field's value."""
        offer = ", ".join(one if isinstance(one, str) else json.dumps(one) for one in supported)
        return ConversionError(
            f"{self.source}: {name} = {json.dumps(value)} is not supported; supported: {offer}"
        )


def is_number(value: Any) -> bool:
    """Say whether a value is a number that float32 holds."""
    # Not by math.isfinite, which fails on an integer beyond a float's range; NaN compares as false.
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) <= _FLOAT32_MAX
    )


def checked_list(value: Any, source: str) -> list[Any]:
    """Return a value that must be a list."""
    if not isinstance(value, list):
        raise ConversionError(f"{source}: must be a list, not {_shortened(value)}")
    return value


def _shortened(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


class Checkpoint:
    """A checkpoint directory in Hugging Face's layout.

    Tensors are mapped, not read, until they are asked for. Pickle files are never opened.

    Parameters
    ----------
    directory
        Holds ``config.json`` and ``model.safetensors`` or ``model.safetensors.index.json``.

    Raises
    ------
    ConversionError
        If a file is missing or damaged.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        if not self.directory.is_dir():
            raise ConversionError(
                f"{self.directory}: no such directory; give a checkpoint's directory"
            )
        self.config = self.fields("config.json")
        if "quantization_config" in self.config:
            raise ConversionError(
                f"{self.config.source}: quantization_config is not supported; "
                "give the checkpoint in float32, float16 or bfloat16"
            )
        self._tensors: dict[str, tuple[Path, str, tuple[int, ...], int]] = {}
        self._read_from: set[str] = set()
        for path in self._weight_files():
            self._index(path)

    def path(self, name: str) -> Path:
        """Return the path of a file of the checkpoint."""
        return self.directory / name

    def has(self, name: str) -> bool:
        """Say whether the checkpoint has a file."""
        return self.path(name).is_file()

    def json(self, name: str) -> Any:
        """Return a parsed JSON file."""
        path = self.path(name)
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConversionError(f"{path}: no such file; the checkpoint is incomplete") from None
        except (OSError, ValueError, RecursionError) as error:
            raise ConversionError(f"{path}: not readable as JSON: {error}") from None

    def fields(self, name: str) -> Fields:
        """Return a JSON file that holds an object."""
        return Fields(self.json(name), str(self.path(name)))

    def optional_fields(self, name: str) -> Fields:
        """Return a JSON file that holds an object, or no fields if it does not exist."""
        return self.fields(name) if self.has(name) else Fields({}, str(self.path(name)))

    @property
    def tensor_names(self) -> list[str]:
        """The names of the tensors, sorted."""
        return sorted(self._tensors)

    @property
    def unread_names(self) -> list[str]:
        """The names of the tensors that were not asked for, sorted."""
        return sorted(self._tensors.keys() - self._read_from)

    def find_prefix(self, suffix: str) -> str:
        """Return what precedes the one tensor whose name ends in `suffix`."""
        found = [
            name for name in self.tensor_names if name == suffix or name.endswith("." + suffix)
        ]
        if len(found) != 1:
            reason = f"{len(found)} tensors end" if found else "no tensor ends"
            raise ConversionError(f"{self.directory}: {reason} in {suffix}; there must be one")
        return found[0].removesuffix(suffix)

    def tensor(self, name: str, *shape: int) -> NDArray[np.float32]:
        """Return a tensor as float32.

        Parameters
        ----------
        name
            Its name in the checkpoint.
        shape
            The shape that it must have.

        Raises
        ------
        ConversionError
            If it is missing, has another shape or type, or holds NaN or an infinity.
        """
        if name not in self._tensors:
            raise ConversionError(f"{self.directory}: tensor {name} is missing")
        path, kind, found, offset = self._tensors[name]
        self._read_from.add(name)
        if found != shape:
            raise ConversionError(
                f"{path}: tensor {name} has shape {list(found)}; config.json implies {list(shape)}"
            )
        if kind not in _NUMPY_TYPES:
            raise ConversionError(
                f"{path}: tensor {name} has type {kind}; supported: {', '.join(_NUMPY_TYPES)}"
            )
        data = np.memmap(path, dtype=_NUMPY_TYPES[kind], mode="r", offset=offset, shape=shape)
        if kind == "BF16":
            values = (data.astype(np.uint32) << 16).view(np.float32)
        else:
            with np.errstate(over="ignore"):
                values = data.astype(np.float32)
        if not np.isfinite(values).all():
            raise ConversionError(f"{path}: tensor {name} holds values that are not finite")
        return values

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor; empty if there is none of that name."""
        return self._tensors[name][2] if name in self._tensors else ()

    def _weight_files(self) -> list[Path]:
        if self.has("model.safetensors"):
            return [self.path("model.safetensors")]
        if self.has("model.safetensors.index.json"):
            index = self.fields("model.safetensors.index.json")
            names = list(index.nested("weight_map").values.values())
            for name in names:
                if not isinstance(name, str) or Path(name).name != name:
                    raise ConversionError(
                        f"{index.source}: weight_map names {name!r}, not a file beside it"
                    )
            return [self.path(name) for name in sorted(set(names))]
        pickles = sorted(path.name for path in self.directory.glob("*.bin"))
        if pickles:
            raise ConversionError(
                f"{self.directory}: {pickles[0]} is a pickle, which can run code, "
                "and is never opened; "
                "save the checkpoint as model.safetensors"
            )
        raise ConversionError(
            f"{self.directory}: no model.safetensors and no model.safetensors.index.json"
        )

    def _index(self, path: Path) -> None:
        try:
            # Opening checks the header: its length, and that the tensors fill the file.
            with safe_open(path, framework="numpy"):
                pass
            with path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                header: dict[str, dict[str, Any]] = json.loads(file.read(length))
        except (OSError, SafetensorError, ValueError) as error:
            raise ConversionError(f"{path}: not readable as safetensors: {error}") from None
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            if name in self._tensors:
                raise ConversionError(
                    f"{path}: tensor {name} is also in {self._tensors[name][0].name}"
                )
            start = 8 + length + int(entry["data_offsets"][0])
            self._tensors[name] = (path, str(entry["dtype"]), tuple(entry["shape"]), start)
