"""The progress of a training run on the terminal."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

if TYPE_CHECKING:
    from arms.progress import Progress


class ProgressBar:
    """A bar with the steps, the loss and what the last validation gave, on standard error."""

    def __init__(self) -> None:
        self._bar = Bar(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("loss {task.fields[loss]:.4f}{task.fields[validation]}"),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task("", total=None, epoch=1, loss=float("nan"), validation="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def __call__(self, progress: Progress) -> None:
        self._bar.update(
            self._task,
            completed=progress.step,
            total=progress.step_count,
            epoch=progress.epoch + 1,
            loss=progress.loss,
        )
        if progress.validation is not None:
            em = 100 * progress.validation.exact_match
            self._bar.update(self._task, validation=f", EM {em:.1f}")
