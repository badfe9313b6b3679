"""The options of training runs: what may be said on the command line and in a configuration."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from arms._marshal import refuse_text, vanishes
from arms._training_options import TrainingOptions, trainer_options
from arms.errors import InvalidArgumentError
from arms.options import Schedule, WeightType

Layers: TypeAlias = "int | Literal['all']"
"""How many of an encoder's last blocks are trained; all, with its embeddings, for ``"all"``."""

DATA: Final = "Data"
CANDIDATES: Final = "Candidates"
SCOPE: Final = "What is trained"
OPTIMIZER: Final = "How it is trained"
RESULT: Final = "Result"


class Strategy(StrEnum):
    """How a router learns new candidates: the paper's section 4.3."""

    INCREMENTAL = "incremental"
    """Training goes on, on the new candidates' outcomes (Eq. 7)."""
    INDEPENDENT = "independent"
    """A second router for the new candidates, joined by Algorithm 1."""


def option(default: Any, panel: str, text: str, shown: str | None = None) -> Any:
    """Declare an option.

    Parameters
    ----------
    default
        Its value where nothing is said; `None` where that is not one value.
    panel
        The heading under which the command's help lists it.
    text
        What it means, for the help and as the comment in a configuration.
    shown
        What the help shows as the default, if not the value.
    """
    return field(default=default, metadata={"panel": panel, "help": text, "shown": shown})


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What all training runs have in common.

    Attributes
    ----------
    model
        The model file to start from; like all paths, a text may be given.
    data
        Files, folders or patterns of records.
    output
        The model file to write.
    """

    model: Path
    data: tuple[str, ...]
    output: Path

    split: str | None = option(
        None,
        DATA,
        "Train on the queries of this split.",
        "train; all, where records have no splits",
    )
    models: tuple[str, ...] | None = option(
        None,
        DATA,
        "Use the outcomes of these models only; can be repeated.",
        "all that have outcomes",
    )
    held_out: Path | None = option(
        None,
        DATA,
        "A file with one group a line: these groups are kept out of everything, and "
        "measured in the end, by the output as it is written.",
        "none",
    )
    validation_split: str | None = option(
        None,
        DATA,
        "Measure on the queries of this split after every epoch, in place of --validation.",
        "none",
    )
    validation: float = option(
        0.1,
        DATA,
        "Share of the training groups that are not trained on, but measured after every epoch; "
        "0 for none.",
    )
    lenient: bool = option(False, DATA, "Leave out rows that cannot be used, and say how many.")
    exact: bool = option(False, DATA, "Decode large JPEGs at full size.")

    candidates: Path | None = option(
        None,
        CANDIDATES,
        "Profiles of models that MODEL does not know yet: a .json or .yaml file, as "
        "`arms candidates add --from` takes it.",
        "none",
    )
    name_only: bool = option(
        False,
        CANDIDATES,
        "Describe models that are added by their names alone (an ablation of the paper).",
    )

    text_layers: Layers = option(
        0, SCOPE, "Last blocks of the text encoder to train; all: with its embeddings."
    )
    image_layers: Layers = option(
        0, SCOPE, "Last blocks of the image encoder to train; all: with its embeddings."
    )

    lora_rank: int = option(
        0,
        SCOPE,
        "Train low-rank adapters of this rank in place of these blocks' weights; 0: the weights.",
    )
    lora_alpha: float = option(
        0.0,
        SCOPE,
        "Scale what adapters add by lora-alpha / lora-rank; 0: as lora-rank, so that it is 1.",
    )
    lora_targets: tuple[str, ...] | None = option(
        None,
        SCOPE,
        "A linear layer of each block that has an adapter: query, key, value, output, up or down; "
        "can be repeated.",
        "all six",
    )

    epochs: int = option(2, OPTIMIZER, "Passes over the training queries.")
    batch_size: int = option(64, OPTIMIZER, "Queries of a step.")
    micro_batch_size: int = option(
        0,
        OPTIMIZER,
        "Queries that run through the layers together; 0: 256 when only the head is trained, "
        "else 16.",
    )
    learning_rate: float = option(8e-5, OPTIMIZER, "The peak of the learning rate.")
    warmup_steps: int = option(
        0, OPTIMIZER, "Steps over which the learning rate rises from 0 to its peak."
    )
    schedule: Schedule = option(
        Schedule.CONSTANT, OPTIMIZER, "How the learning rate goes on: cosine falls to 0."
    )
    weight_decay: float = option(1e-2, OPTIMIZER, "Decoupled weight decay, of the matrices.")
    clip: float = option(0.0, OPTIMIZER, "The largest norm of all gradients together; 0: no limit.")
    balance_classes: bool = option(
        False, OPTIMIZER, "Let right and wrong answers count as much, whatever their numbers."
    )
    routing_weight: float = option(
        0.0,
        OPTIMIZER,
        "What choosing well counts beside cross-entropy; 0: nothing, as in the paper.",
    )
    routing_sharpness: float = option(2.0, OPTIMIZER, "routing-weight: how sharp the choice is.")
    teacher_weight: float = option(
        0.0,
        OPTIMIZER,
        "How much of a label, 0 to 1, is what the outcomes of similar questions say; 0: nothing, "
        "as in the paper.",
    )
    teacher_ridge: float = option(10.0, OPTIMIZER, "teacher-weight: how much that smooths.")
    base_rates: bool = option(
        False,
        OPTIMIZER,
        "Let offsets that are 0 begin at the log-odds of the candidate's outcomes; scaled head.",
    )
    bfloat16: bool = option(
        False,
        OPTIMIZER,
        "Let linear layers multiply operands rounded to bfloat16; for CPUs with AMX or AMD's "
        "AVX512-BF16.",
    )
    seed: int = option(0, OPTIMIZER, "Decides the order of the queries and the validation groups.")
    threads: int = option(
        0, OPTIMIZER, "Threads to use; 0: all cores of this process. Other numbers, other bits."
    )
    cache_bytes: int = option(
        4 << 30,
        OPTIMIZER,
        "Most to keep of what frozen layers made of queries, in bytes; what is beyond is made "
        "again in every epoch.",
    )

    calibrate: bool = option(
        False, RESULT, "Fit temperature and bias of each candidate to the validation queries."
    )
    strength: float = option(
        256.0,
        RESULT,
        "calibrate: what the calibration of all candidates together counts as, in outcomes.",
    )

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            kind = str(one.type)
            if kind.startswith("Path") and value is not None:
                object.__setattr__(self, one.name, Path(value))
            elif kind.startswith("tuple"):
                refuse_text(value, one.name)
        if not 0 <= self.validation < 1:
            raise InvalidArgumentError(
                f"validation is a share of the groups, from 0 to below 1, not {self.validation}"
            )
        # What would be refused when the training is over, or by words that name no option.
        trainer_options(**self.training)
        if not 0 < self.strength < math.inf:
            raise InvalidArgumentError(
                f"strength is {self.strength}: expected a finite number above 0"
            )
        if self.calibrate and not self.validates:
            raise InvalidArgumentError(
                "calibrate needs queries that are not trained on: set validation above 0"
            )

    def _check_type(self, weights: WeightType) -> None:
        """Refuse before a run what its result could not be saved as."""
        read_one_input = {"query", "key", "value"}
        adapted = read_one_input.intersection(self.lora_targets or read_one_input)
        if not self.lora_rank or weights is WeightType.UNCHANGED or not adapted:
            return
        if adapted != read_one_input:
            raise InvalidArgumentError(
                "query, key and value are of one type, and of lora-targets only "
                f"{', '.join(sorted(adapted))}: leave type out, or adapt all three"
            )

    @property
    def outputs(self) -> list[Path]:
        """The files that a run writes."""
        return [self.output]

    @property
    def validates(self) -> bool:
        """Whether some queries are kept to measure on."""
        return self.validation > 0 or self.validation_split is not None

    @property
    def training(self) -> TrainingOptions:
        """The options of `arms.Trainer`."""
        return TrainingOptions(
            text_layers=self.text_layers,
            image_layers=self.image_layers,
            lora_rank=self.lora_rank,
            lora_alpha=self.lora_alpha,
            lora_targets=self.lora_targets,
            epochs=self.epochs,
            batch_size=self.batch_size,
            micro_batch_size=self.micro_batch_size,
            learning_rate=self.learning_rate,
            warmup_steps=self.warmup_steps,
            schedule=self.schedule,
            weight_decay=self.weight_decay,
            clip=self.clip,
            balance_classes=self.balance_classes,
            routing_weight=self.routing_weight,
            routing_sharpness=self.routing_sharpness,
            teacher_weight=self.teacher_weight,
            teacher_ridge=self.teacher_ridge,
            base_rates=self.base_rates,
            bfloat16=self.bfloat16,
            seed=self.seed,
            threads=self.threads,
            cache_bytes=self.cache_bytes,
        )


@dataclass(frozen=True, kw_only=True)
class TrainOptions(RunOptions):
    """The options of `arms.training.train`."""

    type: WeightType = option(
        WeightType.UNCHANGED, RESULT, "The type of the trained matrices in the output."
    )
    adapter: Path | None = option(
        None,
        RESULT,
        "Write also what was trained alone, as a small file for MODEL's weights; with --lora-rank.",
        "none",
    )
    checkpoint: Path | None = option(
        None,
        RESULT,
        "A file to go on from with --resume when a run was stopped or killed.",
        "none",
    )
    checkpoint_interval: int = option(100, RESULT, "Steps from one checkpoint to the next.")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_type(self.type)
        if self.adapter is None:
            return
        if not self.lora_rank:
            raise InvalidArgumentError("adapter needs adapters to write: set lora-rank")
        if self.type is not WeightType.UNCHANGED:
            raise InvalidArgumentError(
                f"the adapter is added to the base's types, not to {self.type}: leave type out"
            )
        if self.calibrate:
            raise InvalidArgumentError(
                "calibrate would not be in the adapter: calibrate the router that it was added to"
            )

    @property
    def outputs(self) -> list[Path]:
        """The files that a run writes."""
        others = [path for path in (self.adapter, self.checkpoint) if path is not None]
        return [*super().outputs, *others]


INCREMENTAL: Final = "Incremental"
INDEPENDENT: Final = "Independent"


@dataclass(frozen=True, kw_only=True)
class ExtendOptions(RunOptions):
    """The options of `arms.training.extend`."""

    strategy: Strategy = option(
        Strategy.INCREMENTAL,
        CANDIDATES,
        "incremental: training goes on for the new candidates; independent: they get a router of "
        "their own, which is asked when the first is unsure.",
    )
    new: tuple[str, ...] = option(
        (), CANDIDATES, "A new candidate; can be repeated, and must be given.", ""
    )
    replay: float = option(
        0.0,
        INCREMENTAL,
        "Share of queries with the old candidates' outcomes among those trained on, below 1.",
    )
    distill: float = option(
        0.0,
        INCREMENTAL,
        "What an old candidate's former confidence counts where no outcome is known, of an "
        "outcome; 0: nothing.",
    )
    check: bool = option(
        True,
        INCREMENTAL,
        "Keep the old weights if the old candidates are told worse on the validation queries.",
    )
    tolerance: float = option(
        0.01,
        INCREMENTAL,
        "check: how much exact match and accuracy may fall, as shares; 0.01 is a point.",
    )
    theta: float | None = option(
        None,
        INDEPENDENT,
        "Stay in the first pool above this confidence, above 0 and at most 1.",
        "MODEL's",
    )
    type: WeightType = option(
        WeightType.UNCHANGED, INDEPENDENT, "The type of the second router's trained matrices."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_type(self.type)
        if self.theta is not None and not (0 < self.theta <= 1 and not vanishes(self.theta)):
            raise InvalidArgumentError(
                f"theta is {self.theta}: expected a number above 0 and at most 1"
            )
        if not self.new:
            raise InvalidArgumentError("no new candidate is named: give its name as --new")
        strays = [name for name in self._other_strategy() if self._is_given(name)]
        if strays:
            raise InvalidArgumentError(
                f"{strays[0].replace('_', '-')} is no option of the strategy {self.strategy}"
            )

    def _other_strategy(self) -> tuple[str, ...]:
        if self.strategy is Strategy.INCREMENTAL:
            return ("theta", "type")
        return ("replay", "distill", "check", "tolerance")

    def _is_given(self, name: str) -> bool:
        (declared,) = (one for one in fields(self) if one.name == name)
        return bool(getattr(self, name) != declared.default)
