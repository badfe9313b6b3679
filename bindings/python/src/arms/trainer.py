"""Training a router in this process."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from arms import _ffi
from arms._handle import Handle
from arms._library import call, library
from arms._marshal import c_path, real
from arms._training_options import above_zero, trainer_options
from arms.dataset import DataSet
from arms.errors import BufferTooSmallError, InvalidArgumentError
from arms.options import LoraTarget, Schedule, WeightType
from arms.progress import Metrics, Report, metrics_of, run_steps
from arms.router import Router

__all__ = ["Trainer"]


class Trainer(Handle):
    """Trains a router, on copies of its weights: the router goes on with its own until `commit`.

    The head and what is learned of each candidate are always trained, the encoders as far as asked.
    What is frozen is encoded once for each query of a data set. The same weights, data, options and
    number of threads give the same bits.

    A trainer works for one thread at a time; a call while another is in one raises `BusyError`.
    Routing goes on beside it, as the interpreter's lock is released meanwhile.

    Parameters
    ----------
    router
        Its present weights and candidates are trained.
    number
        0 for the first router of the file, 1 for the second of a cascade.
    text_layers, image_layers
        Last blocks of the encoder that are trained; ``"all"`` for all, its embeddings included.
    lora_rank
        Train low-rank adapters (LoRA) of this rank in place of these layers: the weight of a linear
        layer becomes ``W + lora_alpha / lora_rank * B @ A``. The blocks' other weights, what lies
        behind them and the embeddings stay as they are; `save_adapter` writes a small file. 0 for
        the layers' own weights.
    lora_alpha
        Scales what the adapters add; 0 for `lora_rank`, so that the scale is 1.
    lora_targets
        Which linear layers of a block have an adapter: names of `arms.LoraTarget`; `None` for all
        six.
    epochs
        Passes over the training queries.
    batch_size
        Queries of a step.
    micro_batch_size
        Queries that run through the layers together, a larger batch in several passes; 0 for 256
        when only the head is trained, else 16.
    learning_rate
        Its peak.
    warmup_steps
        Steps over which it rises from 0.
    schedule
        How it goes on then.
    weight_decay
        Decoupled, of the matrices.
    clip
        The largest norm of all gradients together; 0 for no limit.
    balance_classes
        Let both labels count as much, whatever their numbers.
    routing_weight
        What choosing well counts beside cross-entropy: gamma of the term
        ``-gamma * sum(softmax(tau * t) * y)``; 0 for nothing, as in the paper.
    routing_sharpness
        Its tau, above 0.
    teacher_weight
        How much of a label, 0 to 1, is what kernel ridge regression makes of the outcomes of
        similar questions; 0 for nothing, as in the paper. Of n queries it takes 4 n^2 bytes, and
        of more than 20,000 a run fails.
    teacher_ridge
        How much that smooths, above 0.
    base_rates
        Let offsets that are 0 begin at the log-odds of the candidate's outcomes; of the scaled
        head.
    bfloat16
        Let the linear layers, but the gate's, multiply operands rounded to bfloat16, forward and
        backward; sums, weights, moments and all else stay float32, and so do validations. For CPUs
        whose `kernel_isa` is ``"amx"`` or ``"avx512bf16"``; others round, and multiply floats,
        which takes longer than float32.
    seed
        Decides the order of the queries, and where adapters begin.
    threads
        0 for as many as the router's.
    cache_bytes
        The most that is kept of what frozen layers made of queries, and of prepared images; what is
        beyond is made again in every epoch.

    Raises
    ------
    NoCandidatesError
        If the router has no candidates.
    UnsupportedError
        If there is no OpenBLAS, or the encoder to be trained is shared with the other router of a
        cascade.
    InvalidArgumentError
        If an option is out of range.

    Examples
    --------
    >>> trainer = arms.Trainer(router, epochs=5)  # doctest: +SKIP
    >>> trainer.run(data, validation, progress=True)[-1].exact_match  # doctest: +SKIP
    0.672
    >>> trainer.commit()  # doctest: +SKIP
    """

    def __init__(
        self,
        router: Router,
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
    ) -> None:
        options = trainer_options(
            number=number,
            text_layers=text_layers,
            image_layers=image_layers,
            lora_rank=lora_rank,
            lora_alpha=lora_alpha,
            lora_targets=lora_targets,
            epochs=epochs,
            batch_size=batch_size,
            micro_batch_size=micro_batch_size,
            learning_rate=learning_rate,
            warmup_steps=warmup_steps,
            schedule=schedule,
            weight_decay=weight_decay,
            clip=clip,
            balance_classes=balance_classes,
            routing_weight=routing_weight,
            routing_sharpness=routing_sharpness,
            teacher_weight=teacher_weight,
            teacher_ridge=teacher_ridge,
            base_rates=base_rates,
            bfloat16=bfloat16,
            seed=seed,
            threads=threads,
            cache_bytes=cache_bytes,
        )
        # The buffers end with the handle, so that arrays of them keep it by its memory.
        self._memory: _Memory | None = _Memory()
        super().__init__(
            "arms_trainer_create",
            Router._given(router, "router"),
            ctypes.byref(options),
            free="arms_trainer_free",
            owner=self._memory,
        )

    @property
    def closed(self) -> bool:
        """Whether the trainer was closed."""
        return self._memory is None

    def close(self) -> None:
        """Free the trainer; arrays of its buffers keep them. Closing again does nothing."""
        self._memory = None

    def run(
        self,
        data: DataSet,
        validation: DataSet | None = None,
        *,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_interval: int = 100,
        progress: Report = False,
    ) -> list[Metrics]:
        """Train for the epochs of the trainer's options.

        A further run goes on with weights and moments, and begins the course of the learning rate
        anew; the first one after `resume` goes on where the checkpoint was written, to the same
        bits as a run that was not interrupted.

        With a `teacher_weight` the teacher is made before the first step; an interrupt (Ctrl-C)
        that comes meanwhile ends the run after that step.

        Parameters
        ----------
        data
            What it holds when the call begins is trained on.
        validation
            Measured after every epoch; `None` or an empty one for nothing.
        checkpoint
            A file that every checkpoint replaces, in one step. One more is written when the run
            ends or is cancelled.
        checkpoint_interval
            Steps from one checkpoint to the next.
        progress
            True for a progress bar on the terminal; or a function that is called after every step,
            and may raise to end the run. An interrupt (Ctrl-C) ends it after the present step.

        Returns
        -------
        list
            What each validation gave.

        Raises
        ------
        NotFiniteError
            If the loss is no number any more.
        CandidateNotFoundError
            If there is an outcome of a candidate that is not trained.
        InvalidArgumentError
            If there are no samples, or others than the checkpoint's.
        ImageError, LimitExceededError, FileError
            If an image cannot be used, or a checkpoint not be written.
        """
        options = _ffi.new(
            _ffi.RunOptions,
            checkpoint_interval=above_zero(checkpoint_interval, "checkpoint_interval"),
            validation=None if validation is None else DataSet._given(validation, "validation"),
            checkpoint_path=(
                None if checkpoint is None else c_path(checkpoint, "the checkpoint's path")
            ),
        )
        pointer, samples = self._pointer(), DataSet._given(data, "data")

        def train(callback: Any) -> None:
            call(
                library().arms_trainer_run,
                pointer,
                samples,
                ctypes.byref(options),
                callback,
                None,
            )

        validations = run_steps(train, progress)
        # One that was closed meanwhile has finished its run, but answers no more.
        return validations if self.closed else self.metrics

    @property
    def metrics(self) -> list[Metrics]:
        """What the validations of the last run gave so far, one an epoch, also while it runs."""
        return [metrics_of(one) for one in self._listed("arms_trainer_metrics", _ffi.Metrics)]

    def evaluate(self, data: DataSet) -> Metrics:
        """Measure the trainer's present weights.

        The loss does not depend on what the trainer's options have a run minimise. An interrupt
        (Ctrl-C) is raised when the call ends.

        Raises
        ------
        ArmsError
            As `run`.
        """
        metrics = _ffi.new(_ffi.Metrics)
        call(
            library().arms_trainer_evaluate,
            self._pointer(),
            DataSet._given(data, "data"),
            ctypes.byref(metrics),
        )
        return metrics_of(metrics)

    def commit(self) -> int:
        """Replace the router's weights by the trainer's, in one step.

        Calls in flight finish on the old ones. The router's present candidates stay, with their
        settings and calibration; one that was added since the trainer was made is embedded anew.
        What is learned of the others is what the trainer learned: a `Router.fit` that was made
        since the trainer was is forgotten, fit again. In a file of two routers the other's
        candidates stay as they are. Training can go on, and be committed again.

        Returns
        -------
        int
            The router's new generation.

        Raises
        ------
        ConflictError
            If the router's weights were replaced since the trainer was made.
        NotFiniteError
            If the weights are no numbers any more.
        """
        generation = ctypes.c_uint64()
        call(library().arms_trainer_commit, self._pointer(), ctypes.byref(generation))
        return generation.value

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        weights: WeightType | str = WeightType.UNCHANGED,
    ) -> None:
        """Write the router with the trainer's weights as a model file; the router stays as it is.

        Parameters
        ----------
        path
            Replaced in one step, or left as it is.
        weights
            The type of the trained matrices.

        Raises
        ------
        FileError
            If it cannot be written.
        InvalidArgumentError
            If adapters of only some of query, key and value would go from int8 to float or back.
        """
        encoded = c_path(path, "the model's path")
        call(
            library().arms_trainer_save,
            self._pointer(),
            encoded,
            WeightType.parse(weights, "weights").number,
        )

    def save_adapter(self, path: str | os.PathLike[str]) -> None:
        """Write what training with adapters changed, as a small file.

        It holds the adapters, and the head and the candidates as they would stand in the router's
        file. `Router.apply_adapter` adds it to the weights that the trainer was made with.

        Parameters
        ----------
        path
            Replaced in one step, or left as it is.

        Raises
        ------
        FileError
            If it cannot be written.
        InvalidArgumentError
            If the trainer has no adapters: it was made without `lora_rank`.
        """
        encoded = c_path(path, "the adapter's path")
        call(library().arms_trainer_save_adapter, self._pointer(), encoded)

    def checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Write all that is needed to go on with a run: weights, moments and place.

        Other data than the run's is refused by the run that goes on, if this one had a file for its
        checkpoints.

        Raises
        ------
        FileError
            If it cannot be written; what was there is left as it is.
        """
        encoded = c_path(path, "the checkpoint's path")
        call(library().arms_trainer_checkpoint, self._pointer(), encoded)

    def resume(self, path: str | os.PathLike[str]) -> None:
        """Read a checkpoint of a trainer with the same options, made for the same router.

        Raises
        ------
        FileError, InvalidModelError, UnsupportedError
            If it cannot be read, is damaged, or is no checkpoint.
        InvalidArgumentError
            If it is of another router or other options.
        """
        encoded = c_path(path, "the checkpoint's path")
        call(library().arms_trainer_resume, self._pointer(), encoded)

    def compute_gradients(self, data: DataSet, queries: Sequence[int] | NDArray[Any]) -> float:
        """Compute the gradients of the mean weighted loss of some queries, into `gradients`.

        The loss is that of a run, with the routing term; classes are balanced over the whole data
        set, whatever the queries are.

        Parameters
        ----------
        data
            The data set.
        queries
            Numbers of its queries, in the order in which they were first added.

        Returns
        -------
        float
            The loss.

        Raises
        ------
        UnsupportedError
            If the trainer has a `teacher_weight` or `base_rates`, which only a run follows.
        ArmsError
            As `run`; and `InvalidArgumentError` for a number that no query has.
        """
        given = np.asarray(queries)
        if given.ndim != 1 or given.size == 0 or given.dtype.kind not in "iu":
            raise InvalidArgumentError(
                f"queries are an array of {given.dtype} {list(given.shape)}: expected numbers [n]"
            )
        if given.min() < 0:
            raise InvalidArgumentError(f"there is no query {given.min()}")
        places = np.ascontiguousarray(given, np.uintp)
        loss = ctypes.c_double()
        call(
            library().arms_trainer_compute_gradients,
            self._pointer(),
            DataSet._given(data, "data"),
            places.ctypes.data_as(ctypes.POINTER(ctypes.c_size_t)),
            places.size,
            ctypes.byref(loss),
        )
        return loss.value

    def apply_gradients(self, learning_rate: float) -> None:
        """Change the parameters by one step of AdamW, with `gradients` as they are.

        Raises
        ------
        NotFiniteError
            If a gradient is no number; nothing is changed then.
        """
        rate = real(learning_rate, "learning_rate")
        call(library().arms_trainer_apply_gradients, self._pointer(), rate)

    @property
    def parameters(self) -> NDArray[np.float32]:
        """The trained weights, where they lie: a change of the array changes them.

        The array stays valid after `close`. Leave it alone while another thread is in a call of the
        trainer.
        """
        return self._buffer("arms_trainer_parameters")

    @property
    def gradients(self) -> NDArray[np.float32]:
        """Their gradients, each in the place of its weight; as `parameters`.

        To train over several processes, compute the gradients of a share of each batch, exchange
        them here, and apply what all agree on.
        """
        return self._buffer("arms_trainer_gradients")

    @property
    def layout(self) -> Mapping[str, slice]:
        """Where each tensor of the model file lies in the buffers; what lies between them is 0."""
        ranges = self._listed("arms_trainer_layout", _ffi.TensorRange)
        return {r.name.decode(): slice(r.offset, r.offset + r.count) for r in ranges}

    def _buffer(self, function: str) -> NDArray[np.float32]:
        pointer, memory = self._pointer(), self._memory
        values, count = ctypes.POINTER(ctypes.c_float)(), ctypes.c_size_t()
        call(getattr(library(), function), pointer, ctypes.byref(values), ctypes.byref(count))
        address = ctypes.cast(values, ctypes.c_void_p).value or 0
        return np.asarray(_Buffer(address, count.value, memory))

    def _listed(self, function: str, struct: type[_ffi.StructType]) -> Sequence[_ffi.StructType]:
        """Call a function that fills an array of structs."""
        count, pointer = ctypes.c_size_t(), self._pointer()
        call(getattr(library(), function), pointer, None, 0, ctypes.byref(count))
        while count.value:
            array = _ffi.new_array(struct, count.value)
            try:
                call(getattr(library(), function), pointer, array, len(array), ctypes.byref(count))
            except BufferTooSmallError:  # A run on another thread has ended an epoch in between.
                continue
            return array[: count.value]
        return []

    def __repr__(self) -> str:
        return "Trainer(closed)" if self.closed else "Trainer()"


class _Memory:
    """What the trainer and every array of its buffers hold; the handle is freed with it."""


class _Buffer:
    """A buffer of a trainer, as numpy takes it over: the array keeps this, and this the memory."""

    def __init__(self, address: int, count: int, memory: _Memory | None) -> None:
        self.memory = memory
        self.__array_interface__ = {
            "version": 3,
            "data": (address, False),
            "shape": (count,),
            "typestr": np.dtype(np.float32).str,
        }
