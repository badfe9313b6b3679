"""The C ABI of ``include/arms.h`` by ctypes, bare: what the fuzzer passes reaches the library as it is."""

from __future__ import annotations

import ctypes
import unicodedata
from ctypes import (
    POINTER,
    Structure,
    byref,
    c_char,
    c_char_p,
    c_double,
    c_float,
    c_int32,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SIZE_MAX: Final = (1 << 64) - 1
NAME_CAPACITY: Final = 96
EXPERT_CAPACITY: Final = 32
INTERNAL: Final = 17


class OpenOptions(Structure):
    """``arms_open_options``."""

    _fields_ = [
        ("struct_size", c_uint32), ("flags", c_uint32), ("threads", c_uint32), ("reserved", c_uint32),
        ("max_image_bytes", c_uint64), ("max_image_pixels", c_uint64),
    ]  # fmt: skip


class RouterInfo(Structure):
    """``arms_router_info``."""

    _fields_ = [
        ("struct_size", c_uint32), ("fusion", c_uint32), ("head", c_uint32), ("expert_count", c_uint32),
        ("text_width", c_uint32), ("image_width", c_uint32), ("patch_width", c_uint32), ("image_tokens", c_uint32),
        ("image_size", c_uint32), ("max_images", c_uint32), ("max_question_tokens", c_uint32),
        ("shared_width", c_uint32), ("router_count", c_uint32), ("threads", c_uint32),
        ("candidate_count", c_uint64), ("generation", c_uint64),
    ]  # fmt: skip


class Memory(Structure):
    """``arms_memory``."""

    _fields_ = [
        ("struct_size", c_uint32), ("reserved", c_uint32), ("mapped_bytes", c_uint64), ("weight_bytes", c_uint64),
        ("candidate_bytes", c_uint64), ("scratch_bytes", c_uint64),
    ]  # fmt: skip


class Candidate(Structure):
    """``arms_candidate``."""

    _fields_ = [
        ("struct_size", c_uint32), ("flags", c_uint32), ("name", c_char_p), ("parameters", c_char_p),
        ("architecture", c_char_p), ("language_model", c_char_p), ("vision_model", c_char_p), ("profile", c_char_p),
        ("embedding", POINTER(c_float)), ("embedding_count", c_uint64), ("cost", c_double), ("latency", c_double),
        ("temperature", c_float), ("bias", c_float), ("max_images", c_int32), ("router", c_uint32),
    ]  # fmt: skip


class CandidateInfo(Structure):
    """``arms_candidate_info``."""

    _fields_ = [
        ("struct_size", c_uint32), ("flags", c_uint32), ("name", c_char * NAME_CAPACITY), ("cost", c_double),
        ("latency", c_double), ("temperature", c_float), ("bias", c_float), ("beta", c_float),
        ("max_images", c_int32), ("router", c_uint32), ("reserved", c_uint32),
    ]  # fmt: skip


class ImageInput(Structure):
    """``arms_image_input``."""

    _fields_ = [
        ("struct_size", c_uint32), ("format", c_uint32), ("flags", c_uint32), ("width", c_uint32),
        ("height", c_uint32), ("reserved", c_uint32), ("data", c_void_p), ("size", c_size_t), ("stride", c_size_t),
    ]  # fmt: skip


class Query(Structure):
    """``arms_query``."""

    _fields_ = [
        ("struct_size", c_uint32), ("image_count", c_uint32), ("text", c_char_p), ("text_length", c_size_t),
        ("tokens", POINTER(c_int32)), ("token_count", c_size_t), ("question", c_void_p),
        ("images", POINTER(ImageInput)), ("encoded_images", POINTER(c_void_p)),
    ]  # fmt: skip


class RouteOptions(Structure):
    """``arms_route_options``."""

    _fields_ = [
        ("struct_size", c_uint32), ("policy", c_uint32), ("theta", c_float), ("abstain_below", c_float),
        ("lambda_", c_double), ("mu", c_double), ("max_cost", c_double), ("max_latency", c_double),
        ("allowed", POINTER(c_char_p)), ("allowed_count", c_size_t), ("second", c_void_p),
    ]  # fmt: skip


class Decision(Structure):
    """``arms_decision``."""

    _fields_ = [
        ("struct_size", c_uint32), ("flags", c_uint32), ("name", c_char * NAME_CAPACITY), ("confidence", c_float),
        ("utility", c_float), ("generation", c_uint64), ("ranked_count", c_uint64), ("question_tokens", c_uint32),
        ("question_tokens_total", c_uint32), ("expert_count", c_uint32), ("second_expert_count", c_uint32),
        ("gate", c_float * EXPERT_CAPACITY), ("second_gate", c_float * EXPERT_CAPACITY),
    ]  # fmt: skip


class Ranked(Structure):
    """``arms_ranked``."""

    _fields_ = [
        ("struct_size", c_uint32), ("router", c_uint32), ("name", c_char * NAME_CAPACITY), ("confidence", c_float),
        ("logit", c_float), ("utility", c_float), ("label", c_int32),
    ]  # fmt: skip


class ScoreOptions(Structure):
    """``arms_score_options``."""

    _fields_ = [
        ("struct_size", c_uint32), ("output", c_uint32), ("names", POINTER(c_char_p)), ("name_count", c_size_t),
    ]  # fmt: skip


ERROR: Final = POINTER(c_void_p)
SIZE: Final = POINTER(c_size_t)
NAMES: Final = POINTER(c_char_p)

# Every export that reports a status, with what it takes before its `arms_error **`.
SIGNATURES: Final[dict[str, list[Any]]] = {
    "arms_router_open": [c_char_p, POINTER(OpenOptions), POINTER(c_void_p)],
    "arms_router_save": [c_void_p, c_char_p],
    "arms_router_describe": [c_void_p, POINTER(RouterInfo)],
    "arms_router_memory": [c_void_p, POINTER(Memory)],
    "arms_candidates_add": [c_void_p, POINTER(Candidate), c_size_t],
    "arms_candidates_update": [c_void_p, POINTER(Candidate), c_size_t],
    "arms_candidates_remove": [c_void_p, NAMES, c_size_t],
    "arms_candidates_enable": [c_void_p, NAMES, c_size_t, c_int32],
    "arms_candidates_list": [c_void_p, POINTER(CandidateInfo), c_size_t, SIZE, POINTER(c_uint64)],
    "arms_candidate_profile": [c_void_p, c_char_p, c_void_p, c_size_t, SIZE],
    "arms_candidate_embedding": [c_void_p, c_char_p, POINTER(c_float), c_size_t, SIZE],
    "arms_question_encode": [c_void_p, c_char_p, c_size_t, POINTER(c_void_p)],
    "arms_question_embedding": [c_void_p, POINTER(c_float), c_size_t, SIZE],
    "arms_image_encode": [c_void_p, POINTER(ImageInput), POINTER(c_void_p)],
    "arms_image_embedding": [c_void_p, POINTER(c_float), c_size_t, SIZE],
    "arms_text_tokenize": [c_void_p, c_char_p, c_size_t, POINTER(c_int32), c_size_t, SIZE, SIZE],
    "arms_image_prepare": [c_void_p, POINTER(ImageInput), POINTER(c_float), c_size_t, SIZE],
    "arms_route": [
        c_void_p, POINTER(Query), POINTER(RouteOptions), POINTER(Decision), POINTER(Ranked), c_size_t,
    ],
    "arms_score": [
        c_void_p, POINTER(Query), c_size_t, POINTER(ScoreOptions), POINTER(c_float), c_size_t, SIZE,
        POINTER(c_uint64),
    ],
    "arms_query_embedding": [
        c_void_p, POINTER(Query), c_uint32, POINTER(c_float), c_size_t, SIZE,
    ],
}  # fmt: skip


class ViolationError(Exception):
    """The library broke a promise of its header."""


@dataclass(frozen=True)
class Outcome:
    """What a call returned."""

    status: int
    message: str

    def __bool__(self) -> bool:
        return self.status == 0


class Library:
    """The loaded library. Every call's error is checked to be one line that says something."""

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path))
        for name, arguments in SIGNATURES.items():
            function = getattr(self._library, name)
            function.argtypes = [*arguments, ERROR]
            function.restype = c_int32
        for name in ("arms_router_free", "arms_question_free", "arms_image_free", "arms_error_free"):
            getattr(self._library, name).argtypes = [c_void_p]
            getattr(self._library, name).restype = None
        self._library.arms_error_status.argtypes = [c_void_p]
        self._library.arms_error_message.argtypes = [c_void_p]
        self._library.arms_error_message.restype = c_char_p

    def free(self, kind: str, handle: int | None) -> None:
        """Free a handle of that kind: router, question or image."""
        getattr(self._library, f"arms_{kind}_free")(handle)

    def call(self, name: str, *arguments: Any, wants_error: bool = True) -> Outcome:
        """Call an export without its `arms_`, and take its error."""
        error = c_void_p()
        status = getattr(self._library, f"arms_{name}")(*arguments, byref(error) if wants_error else None)
        if not wants_error:
            return Outcome(status, "")
        if status == 0:
            if error.value is not None:
                raise ViolationError(f"{name} succeeded and set an error")
            return Outcome(0, "")
        try:
            message = (self._library.arms_error_message(error) or b"").decode("utf-8")
            same = self._library.arms_error_status(error) == status
        finally:
            self._library.arms_error_free(error)
        if not same or not 0 < status < INTERNAL:
            raise ViolationError(f"{name} failed with status {status}: {message}")
        if not message or any(unicodedata.category(one) in ("Cc", "Zl", "Zp") for one in message):
            raise ViolationError(f"{name}: its error is not one line: {message!r}")
        return Outcome(status, message)


def sized(structure: Any) -> Any:
    """Return a struct of that type with its struct_size set."""
    return structure(struct_size=ctypes.sizeof(structure))
