"""How a router is trained, as the library is told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypedDict

from arms import _ffi
from arms._marshal import real, refuse_text, unsigned
from arms.errors import InvalidArgumentError
from arms.options import LoraTarget, Schedule


class TrainingOptions(TypedDict, total=False):
    """The keywords of `arms.Trainer`, which documents them."""

    number: int
    text_layers: int | Literal["all"]
    image_layers: int | Literal["all"]
    lora_rank: int
    lora_alpha: float
    lora_targets: Iterable[LoraTarget | str] | None
    epochs: int
    batch_size: int
    micro_batch_size: int
    learning_rate: float
    warmup_steps: int
    schedule: Schedule | str
    weight_decay: float
    clip: float
    balance_classes: bool
    routing_weight: float
    routing_sharpness: float
    teacher_weight: float
    teacher_ridge: float
    base_rates: bool
    bfloat16: bool
    seed: int
    threads: int
    cache_bytes: int


def trainer_options(
    *,
    number: int = 0,
    text_layers: int | Literal["all"] = 0,
    image_layers: int | Literal["all"] = 0,
    lora_rank: int = 0,
    lora_alpha: float = 0.0,
    lora_targets: Iterable[LoraTarget | str] | None = None,
    epochs: int = 2,
    batch_size: int = 64,
    micro_batch_size: int = 0,
    learning_rate: float = 8e-5,
    warmup_steps: int = 0,
    schedule: Schedule | str = Schedule.CONSTANT,
    weight_decay: float = 1e-2,
    clip: float = 0.0,
    balance_classes: bool = False,
    routing_weight: float = 0.0,
    routing_sharpness: float = 2.0,
    teacher_weight: float = 0.0,
    teacher_ridge: float = 10.0,
    base_rates: bool = False,
    bfloat16: bool = False,
    seed: int = 0,
    threads: int = 0,
    cache_bytes: int = 4 << 30,
) -> _ffi.TrainerOptions:
    """Make ``arms_trainer_options`` of the keywords of `arms.Trainer`.

    Raises
    ------
    InvalidArgumentError
        If one is out of range.
    """
    for name, value in (
        ("learning_rate", learning_rate),
        ("routing_sharpness", routing_sharpness),
        ("teacher_ridge", teacher_ridge),
    ):
        if not real(value, name):  # C takes 0 for the default.
            raise InvalidArgumentError(f"{name} is 0: expected a number above 0")
    targets = [] if lora_targets is None else _targets(lora_targets)
    return _ffi.new(
        _ffi.TrainerOptions,
        flags=(_ffi.TRAINER_BALANCE_CLASSES if balance_classes else 0)
        | (_ffi.TRAINER_BASE_RATES if base_rates else 0)
        | (_ffi.TRAINER_BFLOAT16 if bfloat16 else 0),
        router=unsigned(number, "number"),
        text_layers=_layers(text_layers, "text_layers"),
        image_layers=_layers(image_layers, "image_layers"),
        epochs=above_zero(epochs, "epochs"),
        batch_size=above_zero(batch_size, "batch_size"),
        micro_batch_size=unsigned(micro_batch_size, "micro_batch_size"),
        schedule=Schedule.parse(schedule).number,
        warmup_steps=unsigned(warmup_steps, "warmup_steps"),
        threads=unsigned(threads, "threads"),
        learning_rate=nonnegative(learning_rate, "learning_rate"),
        weight_decay=nonnegative(weight_decay, "weight_decay") or -1.0,
        clip=real(clip, "clip"),
        seed=unsigned(seed, "seed", 64),
        cache_bytes=above_zero(cache_bytes, "cache_bytes", 64),
        routing_weight=real(routing_weight, "routing_weight"),
        routing_sharpness=nonnegative(routing_sharpness, "routing_sharpness"),
        teacher_weight=real(teacher_weight, "teacher_weight"),
        teacher_ridge=nonnegative(teacher_ridge, "teacher_ridge"),
        lora_rank=unsigned(lora_rank, "lora_rank"),
        lora_targets=sum({target.number for target in targets}),
        lora_alpha=nonnegative(lora_alpha, "lora_alpha"),
    )


def above_zero(value: int, what: str, bits: int = 32) -> int:
    """Check a number that is 0 for the default in C."""
    if value == 0:
        raise InvalidArgumentError(f"{what} is 0: expected a number above 0")
    return unsigned(value, what, bits)


def nonnegative(value: float, what: str) -> float:
    """Check a number that means something else in C when it is negative."""
    if real(value, what) < 0:
        raise InvalidArgumentError(f"{what} is {value}: expected 0 or more")
    return value


def _layers(count: int | Literal["all"], what: str) -> int:
    return _ffi.ALL_LAYERS if count == "all" else unsigned(count, what)


def _targets(names: Iterable[LoraTarget | str]) -> list[LoraTarget]:
    refuse_text(names, "lora_targets")
    targets = [LoraTarget.parse(name, "lora_targets") for name in names]
    if not targets:  # C takes 0 for all.
        raise InvalidArgumentError("lora_targets is empty: expected a layer, or None for all")
    return targets
