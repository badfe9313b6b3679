"""The ctypes declarations against ``include/arms.h`` itself, as the C compiler reads it."""

from __future__ import annotations

import ctypes
import re
import subprocess
from ctypes import POINTER, Structure
from typing import Any

import pytest

from arms import (
    Fusion,
    Head,
    LoraTarget,
    Output,
    Policy,
    Schedule,
    Stage,
    Status,
    WeightType,
    _ffi,
)
from conftest import REPOSITORY

HEADER = REPOSITORY / "include" / "arms.h"
TEXT = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.DOTALL)

STRUCTS: dict[str, type[Structure]] = {
    "arms_open_options": _ffi.OpenOptions,
    "arms_reload_options": _ffi.ReloadOptions,
    "arms_router_info": _ffi.RouterInfo,
    "arms_memory": _ffi.Memory,
    "arms_histogram": _ffi.Histogram,
    "arms_router_counters": _ffi.RouterCounters,
    "arms_candidate": _ffi.Candidate,
    "arms_candidate_info": _ffi.CandidateInfo,
    "arms_image_input": _ffi.ImageInput,
    "arms_query": _ffi.Query,
    "arms_route_options": _ffi.RouteOptions,
    "arms_decision": _ffi.Decision,
    "arms_ranked": _ffi.Ranked,
    "arms_score_options": _ffi.ScoreOptions,
    "arms_outcome": _ffi.Outcome,
    "arms_sample": _ffi.Sample,
    "arms_dataset_bytes": _ffi.DataSetBytes,
    "arms_trainer_options": _ffi.TrainerOptions,
    "arms_metrics": _ffi.Metrics,
    "arms_progress": _ffi.Progress,
    "arms_run_options": _ffi.RunOptions,
    "arms_tensor_range": _ffi.TensorRange,
    "arms_extension_options": _ffi.ExtensionOptions,
    "arms_extension_report": _ffi.ExtensionReport,
}
CONSTANTS = {
    f"ARMS_{name}": getattr(_ffi, name)
    for name in (
        "ABI_VERSION",
        "NAME_CAPACITY",
        "EXPERT_CAPACITY",
        "STATUS_CAPACITY",
        "STAGE_CAPACITY",
        "HISTOGRAM_BUCKETS",
        "TENSOR_NAME_CAPACITY",
        "ALL_LAYERS",
    )
}
SCALARS = {
    "void": None,
    "char": ctypes.c_char,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "size_t": ctypes.c_size_t,
    "arms_status": ctypes.c_int32,
    "arms_progress_callback": _ffi.ProgressCallback,
}


def structs_of_header() -> dict[str, list[str]]:
    """The names of every struct's fields."""
    bodies = re.findall(r"typedef struct (\w+) \{(.*?)\} \1;", TEXT, re.DOTALL)
    return {name: re.findall(r"(\w+)(?:\[\w+\])?;", body) for name, body in bodies}


def enums_of_header() -> dict[str, dict[str, int]]:
    """The numbers of every enumeration's members."""
    return {
        name: {key: int(value) for key, value in re.findall(r"(ARMS_\w+) = (\d+)", body)}
        for name, body in re.findall(r"enum (\w+) \{(.*?)\};", TEXT, re.DOTALL)
    }


def functions_of_header() -> dict[str, tuple[str, list[str]]]:
    """The result type and the parameters of every function."""
    found = re.findall(r"^((?:const )?\w+ \*?)(arms_\w+)\(([^)]*)\);", TEXT, re.MULTILINE)
    return {
        name: (result.strip(), [] if rest == "void" else [p.strip() for p in rest.split(",")])
        for result, name, rest in found
    }


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """``sizeof`` of every struct and ``offsetof`` and size of every field, from the compiler."""
    folder = tmp_path_factory.mktemp("layout")
    lines = []
    for struct, fields in structs_of_header().items():
        lines.append(f'printf("{struct} %zu\\n", sizeof({struct}));')
        for field in fields:
            lines.append(f'printf("{struct}.{field} %zu\\n", offsetof({struct}, {field}));')
            lines.append(
                f'printf("{struct}.{field}:size %zu\\n", sizeof((({struct} *)0)->{field}));'
            )
    for constant in CONSTANTS:
        lines.append(f'printf("{constant} %zu\\n", (size_t){constant});')
    source = folder / "layout.c"
    body = "\n".join(lines)
    source.write_text(f'#include <stdio.h>\n#include "arms.h"\nint main(void) {{\n{body}\n}}\n')
    program = folder / "layout"
    subprocess.run(["cc", "-I", HEADER.parent, source, "-o", program], check=True)
    output = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return {key: int(value) for key, value in (line.split() for line in output.splitlines())}


def test_every_struct_of_the_header_is_declared() -> None:
    assert list(structs_of_header()) == list(STRUCTS)


@pytest.mark.parametrize("name", STRUCTS)
def test_structs_have_the_layout_of_the_header(name: str, layout: dict[str, int]) -> None:
    struct = STRUCTS[name]
    declared = [field[0].rstrip("_") for field in struct._fields_]
    assert declared == structs_of_header()[name]
    assert ctypes.sizeof(struct) == layout[name]
    for field in struct._fields_:
        place, key = getattr(struct, field[0]), f"{name}.{field[0].rstrip('_')}"
        assert (key, place.offset, place.size) == (key, layout[key], layout[f"{key}:size"])


def test_constants_are_those_of_the_header(layout: dict[str, int]) -> None:
    assert {name: layout[name] for name in CONSTANTS} == CONSTANTS


def test_enumerations_are_those_of_the_header() -> None:
    declared: dict[str, dict[str, int]] = {
        "arms_status_code": {
            "ARMS_OK" if status is Status.OK else f"ARMS_ERROR_{status.name}": int(status)
            for status in Status
        },
        "arms_fusion": {f"ARMS_FUSION_{member.name}": member.number for member in Fusion},
        "arms_head": {f"ARMS_HEAD_{member.name}": member.number for member in Head},
        "arms_policy": {f"ARMS_POLICY_{member.name}": member.number for member in Policy},
        "arms_score_output": {f"ARMS_SCORE_{member.name}": member.number for member in Output},
        "arms_log_level": {"ARMS_LOG_ERROR": 1, "ARMS_LOG_INFO": 2},
        "arms_stage": {f"ARMS_STAGE_{member.name}": member.number for member in Stage},
        "arms_open_flag": constants("OPEN_"),
        "arms_reload_flag": constants("RELOAD_"),
        "arms_candidate_flag": constants("CANDIDATE_"),
        "arms_image_format": constants("IMAGE_", without="EXACT"),
        "arms_image_flag": constants("IMAGE_EXACT"),
        "arms_decision_flag": constants("DECISION_"),
        "arms_outcome_flag": constants("OUTCOME_"),
        "arms_trainer_flag": constants("TRAINER_"),
        "arms_lora_target": {f"ARMS_LORA_{member.name}": member.number for member in LoraTarget},
        "arms_schedule": {f"ARMS_SCHEDULE_{member.name}": member.number for member in Schedule},
        "arms_weight_type": {f"ARMS_WEIGHT_{member.name}": member.number for member in WeightType},
    }
    assert enums_of_header() == declared


def constants(prefix: str, without: str = "-") -> dict[str, int]:
    """The constants of ``_ffi`` under the names of the header."""
    return {
        f"ARMS_{name}": value
        for name, value in vars(_ffi).items()
        if name.startswith(prefix) and not name.endswith(without)
    }


def test_every_function_of_the_header_has_a_prototype() -> None:
    header = set(re.findall(r"\b(arms_\w+)\(", TEXT))
    assert header == set(functions_of_header()) == set(_ffi.PROTOTYPES)


@pytest.mark.parametrize("name", _ffi.PROTOTYPES)
def test_prototypes_have_the_types_of_the_header(name: str) -> None:
    result, parameters = functions_of_header()[name]
    declared_result, declared = _ffi.PROTOTYPES[name]
    assert declared_result == c_type(result)
    without_names = [re.sub(r"\w+$", "", parameter) for parameter in parameters]
    expected = [c_type(parameter) for parameter in without_names]
    assert [spelled(t) for t in declared] == [spelled(t) for t in expected]


def c_type(declaration: str) -> Any:
    """The ctypes type of a type of the header."""
    stars = declaration.count("*")
    base = declaration.replace("const", "").replace("*", "").strip()
    if base == "char" and "const" in declaration and stars:
        kind: Any = ctypes.c_char_p
        stars -= 1
    elif base in STRUCTS:
        kind = STRUCTS[base]
    elif base in SCALARS:
        kind = SCALARS[base]
    else:  # An opaque handle.
        kind = ctypes.c_void_p
        stars -= 1
    for _ in range(stars):
        kind = POINTER(kind)
    return kind


def spelled(kind: Any) -> str:
    """A type's name: ctypes makes pointer types once, so that equal types have equal names."""
    return str(kind.__name__)
