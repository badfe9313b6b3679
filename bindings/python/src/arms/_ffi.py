"""``include/arms.h`` in ctypes: its constants, structs and prototypes, and nothing else.

Every name is the header's, without its prefix for structs and constants. A struct's fields are
declared once, as annotations that carry both the Python type and the C type.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Array, Structure
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

ABI_VERSION = 1
"""The ABI version of the header that this file follows."""

NAME_CAPACITY = 96
"""Bytes of a candidate's name, its NUL included."""

EXPERT_CAPACITY = 32
"""The most experts that a router may have."""

STATUS_CAPACITY = 32
"""Statuses whose errors are counted."""

STAGE_CAPACITY = 8
"""Stages whose times may be counted."""

HISTOGRAM_BUCKETS = 48
"""Buckets of a histogram."""

TENSOR_NAME_CAPACITY = 64
"""Bytes of a tensor's name, its NUL included."""

ALL_LAYERS = 2**32 - 1
"""A number of layers: all of an encoder's, its embeddings included."""

OPEN_COPY = 1
RELOAD_KEEP_CANDIDATES = 1
CANDIDATE_DISABLED = 1
CANDIDATE_HAS_COST = 2
CANDIDATE_HAS_LATENCY = 4
CANDIDATE_KEEP_ENABLED = 8
CANDIDATE_KEEP_COST = 16
CANDIDATE_KEEP_LATENCY = 32
CANDIDATE_KEEP_TEMPERATURE = 64
CANDIDATE_KEEP_BIAS = 128
CANDIDATE_KEEP_MAX_IMAGES = 256
IMAGE_ENCODED = 0
IMAGE_PATH = 1
IMAGE_RGB8 = 2
IMAGE_RGBA8 = 3
IMAGE_GRAY8 = 4
IMAGE_PREPARED = 5
IMAGE_EXACT = 1
DECISION_ABSTAINED = 1
DECISION_QUESTION_TRUNCATED = 2
DECISION_SECOND_ROUTER = 4
DECISION_IMAGES_IGNORED = 8
OUTCOME_HAS_COST = 1
TRAINER_BALANCE_CLASSES = 1
TRAINER_BASE_RATES = 2
TRAINER_BFLOAT16 = 4

U32 = Annotated[int, ctypes.c_uint32]
I32 = Annotated[int, ctypes.c_int32]
U64 = Annotated[int, ctypes.c_uint64]
Size = Annotated[int, ctypes.c_size_t]
F32 = Annotated[float, ctypes.c_float]
F64 = Annotated[float, ctypes.c_double]
Name = Annotated[bytes, ctypes.c_char * NAME_CAPACITY]
TensorName = Annotated[bytes, ctypes.c_char * TENSOR_NAME_CAPACITY]
Gate = Annotated["Array[ctypes.c_float]", ctypes.c_float * EXPERT_CAPACITY]
# A `const char *`; ctypes keeps the bytes alive as long as the struct.
Text = Annotated["bytes | None", ctypes.c_char_p]
# Any other pointer, as an address; whoever sets it keeps the target alive during the call.
Address = Annotated["int | None", ctypes.c_void_p]

StructType = TypeVar("StructType", bound=Structure)


def _laid_out(struct: type[StructType]) -> type[StructType]:
    """Give a struct the C layout that its annotations describe."""
    hints = get_type_hints(struct, include_extras=True)
    struct._fields_ = [(name, get_args(hints[name])[1]) for name in struct.__annotations__]
    return struct


@_laid_out
class OpenOptions(Structure):
    """``arms_open_options``."""

    struct_size: U32
    flags: U32
    threads: U32
    reserved: U32
    max_image_bytes: U64
    max_image_pixels: U64


@_laid_out
class ReloadOptions(Structure):
    """``arms_reload_options``."""

    struct_size: U32
    flags: U32


@_laid_out
class RouterInfo(Structure):
    """``arms_router_info``."""

    struct_size: U32
    fusion: U32
    head: U32
    expert_count: U32
    text_width: U32
    image_width: U32
    patch_width: U32
    image_tokens: U32
    image_size: U32
    max_images: U32
    max_question_tokens: U32
    shared_width: U32
    router_count: U32
    threads: U32
    candidate_count: U64
    generation: U64


@_laid_out
class Memory(Structure):
    """``arms_memory``."""

    struct_size: U32
    reserved: U32
    mapped_bytes: U64
    weight_bytes: U64
    candidate_bytes: U64
    scratch_bytes: U64


@_laid_out
class Histogram(Structure):
    """``arms_histogram``."""

    count: U64
    nanoseconds: U64
    buckets: Annotated[Array[ctypes.c_uint64], ctypes.c_uint64 * HISTOGRAM_BUCKETS]


@_laid_out
class RouterCounters(Structure):
    """``arms_router_counters``."""

    struct_size: U32
    stage_count: U32
    routes: U64
    scores: U64
    scored_queries: U64
    abstentions: U64
    second_router: U64
    truncated_questions: U64
    ignored_images: U64
    reloads: U64
    errors: Annotated[Array[ctypes.c_uint64], ctypes.c_uint64 * STATUS_CAPACITY]
    stages: Annotated[Array[Histogram], Histogram * STAGE_CAPACITY]
    reused_questions: U64
    reused_images: U64


@_laid_out
class Candidate(Structure):
    """``arms_candidate``."""

    struct_size: U32
    flags: U32
    name: Text
    parameters: Text
    architecture: Text
    language_model: Text
    vision_model: Text
    profile: Text
    embedding: Address
    embedding_count: U64
    cost: F64
    latency: F64
    temperature: F32
    bias: F32
    max_images: I32
    router: U32


@_laid_out
class CandidateInfo(Structure):
    """``arms_candidate_info``."""

    struct_size: U32
    flags: U32
    name: Name
    cost: F64
    latency: F64
    temperature: F32
    bias: F32
    beta: F32
    max_images: I32
    router: U32
    reserved: U32
    chosen: U64


@_laid_out
class ImageInput(Structure):
    """``arms_image_input``."""

    struct_size: U32
    format: U32
    flags: U32
    width: U32
    height: U32
    reserved: U32
    data: Address
    size: Size
    stride: Size


@_laid_out
class Query(Structure):
    """``arms_query``."""

    struct_size: U32
    image_count: U32
    text: Text
    text_length: Size
    tokens: Address
    token_count: Size
    question: Address
    images: Address
    encoded_images: Address


@_laid_out
class RouteOptions(Structure):
    """``arms_route_options``; ``lambda`` is a keyword of Python, so it is ``lambda_`` here."""

    struct_size: U32
    policy: U32
    theta: F32
    abstain_below: F32
    lambda_: F64
    mu: F64
    max_cost: F64
    max_latency: F64
    allowed: Address
    allowed_count: Size
    second: Address


@_laid_out
class Decision(Structure):
    """``arms_decision``."""

    struct_size: U32
    flags: U32
    name: Name
    confidence: F32
    utility: F32
    generation: U64
    ranked_count: U64
    question_tokens: U32
    question_tokens_total: U32
    expert_count: U32
    second_expert_count: U32
    gate: Gate
    second_gate: Gate


@_laid_out
class Ranked(Structure):
    """``arms_ranked``."""

    struct_size: U32
    router: U32
    name: Name
    confidence: F32
    logit: F32
    utility: F32
    label: I32


@_laid_out
class ScoreOptions(Structure):
    """``arms_score_options``."""

    struct_size: U32
    output: U32
    names: Address
    name_count: Size


@_laid_out
class Outcome(Structure):
    """``arms_outcome``."""

    struct_size: U32
    flags: U32
    candidate: Text
    label: I32
    weight: F32
    cost: F64


@_laid_out
class Sample(Structure):
    """``arms_sample``."""

    struct_size: U32
    image_count: U32
    text: Text
    text_length: Size
    images: Address
    outcomes: Address
    outcome_count: Size


@_laid_out
class DataSetBytes(Structure):
    """``arms_dataset_bytes``."""

    struct_size: U32
    reserved: U32
    sample_bytes: U64
    cache_bytes: U64


@_laid_out
class TrainerOptions(Structure):
    """``arms_trainer_options``."""

    struct_size: U32
    flags: U32
    router: U32
    text_layers: U32
    image_layers: U32
    epochs: U32
    batch_size: U32
    micro_batch_size: U32
    schedule: U32
    warmup_steps: U32
    threads: U32
    reserved: U32
    learning_rate: F64
    weight_decay: F64
    clip: F64
    seed: U64
    cache_bytes: U64
    routing_weight: F64
    routing_sharpness: F64
    teacher_weight: F64
    teacher_ridge: F64
    lora_rank: U32
    lora_targets: U32
    lora_alpha: F64


@_laid_out
class Metrics(Structure):
    """``arms_metrics``."""

    struct_size: U32
    reserved: U32
    query_count: U64
    outcome_count: U64
    loss: F64
    accuracy: F64
    exact_match: F64


@_laid_out
class Progress(Structure):
    """``arms_progress``."""

    struct_size: U32
    epoch: U32
    step: U64
    step_count: U64
    loss: F64
    learning_rate: F64
    validation: Address


ProgressCallback = ctypes.CFUNCTYPE(ctypes.c_int32, POINTER(Progress), ctypes.c_void_p)
"""``arms_progress_callback``."""


@_laid_out
class RunOptions(Structure):
    """``arms_run_options``."""

    struct_size: U32
    checkpoint_interval: U32
    validation: Address
    checkpoint_path: Text


@_laid_out
class TensorRange(Structure):
    """``arms_tensor_range``."""

    struct_size: U32
    reserved: U32
    offset: U64
    count: U64
    name: TensorName


@_laid_out
class ExtensionOptions(Structure):
    """``arms_extension_options``."""

    struct_size: U32
    reserved: U32
    training: Address
    replayed: Address
    held_out: Address
    validation: Address
    replay_share: F64
    distillation: F64
    tolerance: F64


@_laid_out
class ExtensionReport(Structure):
    """``arms_extension_report``."""

    struct_size: U32
    accepted: I32
    generation: U64
    held_out_count: U64
    loss_before: F64
    accuracy_before: F64
    exact_match_before: F64
    loss_after: F64
    accuracy_after: F64
    exact_match_after: F64


def new(struct: type[StructType], **fields: Any) -> StructType:
    """Make a struct that is zero but for its size and the fields given."""
    return struct(struct_size=ctypes.sizeof(struct), **fields)


def new_array(struct: type[StructType], count: int) -> Array[StructType]:
    """Make an array of structs that are zero but for their sizes."""
    array = (struct * count)()
    for element in array:
        element.struct_size = ctypes.sizeof(struct)
    return array


_Handle = ctypes.c_void_p
_Status = ctypes.c_int32
_String = ctypes.c_char_p
_Strings = POINTER(ctypes.c_char_p)
_Bytes = ctypes.c_size_t
_Count = ctypes.c_size_t
_Counted = POINTER(ctypes.c_size_t)
_Floats = POINTER(ctypes.c_float)
_Generation = POINTER(ctypes.c_uint64)
_Error = POINTER(ctypes.c_void_p)

PROTOTYPES: dict[str, tuple[Any, list[Any]]] = {
    "arms_error_status": (_Status, [_Handle]),
    "arms_error_message": (_String, [_Handle]),
    "arms_error_free": (None, [_Handle]),
    "arms_status_name": (_String, [_Status]),
    "arms_abi_version": (ctypes.c_uint32, []),
    "arms_version": (_String, []),
    "arms_kernel_isa": (_String, []),
    # The callback is an address, so that NULL can be given as well.
    "arms_log_set": (None, [ctypes.c_void_p, ctypes.c_void_p]),
    "arms_router_open": (_Status, [_String, POINTER(OpenOptions), POINTER(_Handle), _Error]),
    "arms_router_free": (None, [_Handle]),
    "arms_router_save": (_Status, [_Handle, _String, _Error]),
    "arms_router_reload": (_Status, [_Handle, _String, POINTER(ReloadOptions), _Error]),
    "arms_router_apply_adapter": (
        _Status,
        [_Handle, _String, POINTER(ReloadOptions), _Error],
    ),
    "arms_router_describe": (_Status, [_Handle, POINTER(RouterInfo), _Error]),
    "arms_router_memory": (_Status, [_Handle, POINTER(Memory), _Error]),
    "arms_router_metrics": (_Status, [_Handle, POINTER(RouterCounters), _Error]),
    "arms_histogram_bound": (ctypes.c_uint64, [ctypes.c_uint32]),
    "arms_candidates_add": (_Status, [_Handle, POINTER(Candidate), _Count, _Error]),
    "arms_candidates_update": (_Status, [_Handle, POINTER(Candidate), _Count, _Error]),
    "arms_candidates_remove": (_Status, [_Handle, _Strings, _Count, _Error]),
    "arms_candidates_enable": (_Status, [_Handle, _Strings, _Count, ctypes.c_int32, _Error]),
    "arms_candidates_list": (
        _Status,
        [_Handle, POINTER(CandidateInfo), _Count, _Counted, _Generation, _Error],
    ),
    # The text buffers are out-parameters, so they are not `c_char_p`, which would copy.
    "arms_candidate_profile": (
        _Status,
        [_Handle, _String, POINTER(ctypes.c_char), _Bytes, _Counted, _Error],
    ),
    "arms_candidate_embedding": (_Status, [_Handle, _String, _Floats, _Count, _Counted, _Error]),
    "arms_question_encode": (_Status, [_Handle, _String, _Bytes, POINTER(_Handle), _Error]),
    "arms_question_free": (None, [_Handle]),
    "arms_question_embedding": (_Status, [_Handle, _Floats, _Count, _Counted, _Error]),
    "arms_image_encode": (_Status, [_Handle, POINTER(ImageInput), POINTER(_Handle), _Error]),
    "arms_image_free": (None, [_Handle]),
    "arms_image_embedding": (_Status, [_Handle, _Floats, _Count, _Counted, _Error]),
    "arms_text_tokenize": (
        _Status,
        [
            _Handle,
            _String,
            _Bytes,
            POINTER(ctypes.c_int32),
            _Count,
            _Counted,
            _Counted,
            _Error,
        ],
    ),
    "arms_image_prepare": (
        _Status,
        [_Handle, POINTER(ImageInput), _Floats, _Count, _Counted, _Error],
    ),
    "arms_route": (
        _Status,
        [
            _Handle,
            POINTER(Query),
            POINTER(RouteOptions),
            POINTER(Decision),
            POINTER(Ranked),
            _Count,
            _Error,
        ],
    ),
    "arms_score": (
        _Status,
        [
            _Handle,
            POINTER(Query),
            _Count,
            POINTER(ScoreOptions),
            _Floats,
            _Count,
            _Counted,
            _Generation,
            _Error,
        ],
    ),
    "arms_query_embedding": (
        _Status,
        [_Handle, POINTER(Query), ctypes.c_uint32, _Floats, _Count, _Counted, _Error],
    ),
    "arms_dataset_create": (_Status, [POINTER(_Handle), _Error]),
    "arms_dataset_free": (None, [_Handle]),
    "arms_dataset_add": (_Status, [_Handle, POINTER(Sample), _Count, _Error]),
    "arms_dataset_count": (_Status, [_Handle, _Counted, _Counted, _Error]),
    "arms_dataset_memory": (_Status, [_Handle, POINTER(DataSetBytes), _Error]),
    "arms_trainer_create": (
        _Status,
        [_Handle, POINTER(TrainerOptions), POINTER(_Handle), _Error],
    ),
    "arms_trainer_free": (None, [_Handle]),
    "arms_trainer_run": (
        _Status,
        [_Handle, _Handle, POINTER(RunOptions), ProgressCallback, ctypes.c_void_p, _Error],
    ),
    "arms_trainer_metrics": (_Status, [_Handle, POINTER(Metrics), _Count, _Counted, _Error]),
    "arms_trainer_evaluate": (_Status, [_Handle, _Handle, POINTER(Metrics), _Error]),
    "arms_trainer_commit": (_Status, [_Handle, _Generation, _Error]),
    "arms_trainer_save": (_Status, [_Handle, _String, ctypes.c_uint32, _Error]),
    "arms_trainer_checkpoint": (_Status, [_Handle, _String, _Error]),
    "arms_trainer_resume": (_Status, [_Handle, _String, _Error]),
    "arms_trainer_save_adapter": (_Status, [_Handle, _String, _Error]),
    "arms_trainer_compute_gradients": (
        _Status,
        [_Handle, _Handle, _Counted, _Count, POINTER(ctypes.c_double), _Error],
    ),
    "arms_trainer_apply_gradients": (_Status, [_Handle, ctypes.c_double, _Error]),
    "arms_trainer_parameters": (_Status, [_Handle, POINTER(_Floats), _Counted, _Error]),
    "arms_trainer_gradients": (_Status, [_Handle, POINTER(_Floats), _Counted, _Error]),
    "arms_trainer_layout": (_Status, [_Handle, POINTER(TensorRange), _Count, _Counted, _Error]),
    "arms_router_calibrate": (_Status, [_Handle, _Handle, ctypes.c_double, _Generation, _Error]),
    "arms_candidates_fit": (
        _Status,
        [_Handle, _Strings, _Count, _Handle, ctypes.c_double, _Generation, _Error],
    ),
    "arms_router_extend": (
        _Status,
        [
            _Handle,
            _Strings,
            _Count,
            _Handle,
            POINTER(ExtensionOptions),
            ProgressCallback,
            ctypes.c_void_p,
            POINTER(ExtensionReport),
            _Error,
        ],
    ),
    "arms_router_join": (_Status, [_Handle, _Handle, _String, ctypes.c_float, _Error]),
}
"""Every function of the header: its result type and the types of its arguments."""


def declare(library: ctypes.CDLL) -> None:
    """Give every function of a loaded library its prototype.

    Raises
    ------
    AttributeError
        If the library lacks a function of the header.
    """
    for name, (result, arguments) in PROTOTYPES.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
