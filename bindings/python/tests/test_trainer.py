"""Trainers: runs, what ends them early, checkpoints, and gradients in numpy's hands."""

from __future__ import annotations

import gc
import os
import resource
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import arms
from conftest import LARGE, MODELS, SMALL

QUERIES = 6
NAMES = ("small", "large")


@pytest.fixture(scope="module")
def data() -> Iterator[arms.DataSet]:
    """Questions with and without an image, each with outcomes of two candidates."""
    pixels = np.random.default_rng(7).integers(0, 256, (40, 56, 3), np.uint8)
    with arms.DataSet() as filled:
        for n in range(QUERIES):
            labels = {"small": n % 2, "large": (n + 1) % 2}
            filled.add(pixels if n % 3 == 0 else None, f"question {n}", labels)
        yield filled


def trainer_of(router: arms.Router, **options: Any) -> arms.Trainer:
    """A trainer that learns fast."""
    brisk = {
        "text_layers": 1,
        "epochs": 8,
        "batch_size": 2,
        "learning_rate": 3e-3,
        "threads": 1,
    }
    return arms.Trainer(router, **(brisk | options))


def test_a_run_learns_and_a_commit_makes_it_live(router: arms.Router, data: arms.DataSet) -> None:
    query = arms.Query(None, "question 1")
    before = router.score([query], NAMES)
    trainer = trainer_of(router)
    untrained = trainer.evaluate(data)
    assert (untrained.query_count, untrained.outcome_count) == (QUERIES, 2 * QUERIES)
    seen: list[arms.Progress] = []
    metrics = trainer.run(data, data, progress=seen.append)
    assert [p.step for p in seen] == list(range(1, 25))
    assert {p.step_count for p in seen} == {24}
    assert [p.epoch for p in seen] == sorted(list(range(8)) * 3)
    assert [p.validation for p in seen if p.validation] == metrics == trainer.metrics
    assert len(metrics) == 8
    assert metrics[-1].loss < untrained.loss
    assert metrics[-1] == trainer.evaluate(data)

    np.testing.assert_array_equal(router.score([query], NAMES), before)
    generation = trainer.commit()
    assert generation == router.info.generation
    assert not np.array_equal(router.score([query], NAMES), before)


def test_the_same_seed_gives_the_same_bits(router: arms.Router, data: arms.DataSet) -> None:
    first, second, other = (trainer_of(router, seed=seed) for seed in (1, 1, 2))
    for trainer in (first, second, other):
        assert trainer.run(data) == []
    np.testing.assert_array_equal(first.parameters, second.parameters)
    assert not np.array_equal(first.parameters, other.parameters)


def test_options_are_kept_in_a_dictionary(router: arms.Router, data: arms.DataSet) -> None:
    options: arms.TrainingOptions = {"epochs": 1, "batch_size": 4}
    seen: list[arms.Progress] = []
    arms.Trainer(router, **options).run(data, progress=seen.append)
    steps = [progress.step for progress in seen]
    seen.clear()
    router.extend("small", data, progress=seen.append, **options)
    assert [progress.step for progress in seen] == steps == [*range(1, -(-len(data) // 4) + 1)]


def test_the_memory_of_what_is_cached_is_told(router: arms.Router) -> None:
    data = arms.DataSet([(None, "question", {"small": 1})])
    empty = data.memory
    assert empty.sample_bytes >= len("question")
    assert empty.cache_bytes == 0
    arms.Trainer(router).run(data)
    assert data.memory.sample_bytes == empty.sample_bytes
    assert data.memory.cache_bytes >= 4 * router.info.text_width


def test_what_a_callback_raises_ends_the_run(router: arms.Router, data: arms.DataSet) -> None:
    trainer = trainer_of(router)
    steps: list[int] = []

    def fails(progress: arms.Progress) -> None:
        steps.append(progress.step)
        if progress.step == 3:
            raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        trainer.run(data, progress=fails)
    assert steps == [1, 2, 3]
    # What was learned stays, and the trainer goes on.
    trainer.run(data)


def test_an_interrupt_ends_the_run(router: arms.Router, data: arms.DataSet) -> None:
    trainer = trainer_of(router, epochs=1000)
    steps: list[int] = []

    def interrupted(progress: arms.Progress) -> None:
        steps.append(progress.step)
        if progress.step == 2:
            signal.raise_signal(signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        trainer.run(data, progress=interrupted)
    assert steps == [1, 2]
    assert signal.getsignal(signal.SIGINT) is handler
    # Also when it comes while the library is at work: it is handled at the entry of the callback.
    timer = threading.Timer(0.05, signal.pthread_kill, (threading.get_ident(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        trainer.run(data)
    timer.join()


def test_what_any_signal_raises_ends_the_run(router: arms.Router, data: arms.DataSet) -> None:
    def leave(_number: int, _frame: object) -> None:
        raise SystemExit(3)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        trainer = trainer_of(router, epochs=1000)
        timer = threading.Timer(0.05, signal.pthread_kill, (threading.get_ident(), signal.SIGTERM))
        timer.start()
        with pytest.raises(SystemExit) as caught:
            trainer.run(data)
        timer.join()
        assert caught.value.code == 3
        assert signal.getsignal(signal.SIGTERM) is leave
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_handler_that_puts_another_in_its_place_is_obeyed(
    router: arms.Router, data: arms.DataSet
) -> None:
    def once(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)

    def interrupted(_progress: arms.Progress) -> None:
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, once)
    try:
        trainer_of(router).run(data, progress=interrupted)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_progress_bar(
    router: arms.Router, data: arms.DataSet, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer_of(router).run(data, data, progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "24/24" in captured.err
    assert "EM" in captured.err


def test_a_busy_trainer_is_told(router: arms.Router, data: arms.DataSet) -> None:
    trainer = trainer_of(router)
    errors: list[BaseException] = []

    def evaluate() -> None:
        try:
            trainer.evaluate(data)
        except arms.BusyError as error:
            errors.append(error)

    def disturb(progress: arms.Progress) -> None:
        thread = threading.Thread(target=evaluate)
        thread.start()
        thread.join()
        assert trainer.metrics == []
        trainer.close()
        raise StopIteration(progress.step)

    with pytest.raises(StopIteration):
        trainer.run(data, progress=disturb)
    assert len(errors) == 1
    with pytest.raises(arms.InvalidHandleError, match="closed"):
        trainer.run(data)


def test_routing_goes_on_beside_training(router: arms.Router, data: arms.DataSet) -> None:
    trainer = trainer_of(router, epochs=20)
    thread = threading.Thread(target=trainer.run, args=(data,))
    thread.start()
    query = arms.Query(None, "question 1")
    first = router.score([query], NAMES)
    while thread.is_alive():
        np.testing.assert_array_equal(router.score([query], NAMES), first)
    thread.join()


def test_a_resumed_run_has_the_same_bits(
    router: arms.Router, data: arms.DataSet, tmp_path: Path
) -> None:
    file = tmp_path / "checkpoint"
    whole, part, rest = (trainer_of(router) for _ in range(3))
    metrics = whole.run(data, data)

    def stop(progress: arms.Progress) -> None:
        if progress.step == 7:
            raise StopIteration

    with pytest.raises(StopIteration):
        part.run(data, data, checkpoint=file, checkpoint_interval=3, progress=stop)
    rest.resume(file)
    assert rest.metrics == metrics[:2]
    assert rest.run(data, data) == metrics
    np.testing.assert_array_equal(whole.parameters, rest.parameters)

    whole.checkpoint(str(file))
    with pytest.raises(arms.InvalidArgumentError, match="options"):
        trainer_of(router, seed=5).resume(file)
    with pytest.raises(arms.FileError):
        rest.resume(tmp_path / "absent")
    with pytest.raises(arms.FileError):
        rest.checkpoint(tmp_path / "absent" / "file")
    with pytest.raises(arms.FileError):
        rest.run(data, checkpoint=tmp_path / "absent" / "file")


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file grow beyond 4 KiB; Python ignores the signal that would end it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let nobody write to a folder; root, whom no mode stops, is another user meanwhile."""
    user = os.geteuid()
    folder.chmod(0o555)
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o755)


@pytest.mark.parametrize("trouble", ["full disk", "read-only folder"])
def test_files_that_cannot_be_written_leave_the_old_ones(
    trouble: str, router: arms.Router, data: arms.DataSet
) -> None:
    whole, part, rest, last = (trainer_of(router) for _ in range(4))
    whole.run(data)

    def stop(progress: arms.Progress) -> None:
        if progress.step == 7:
            raise StopIteration

    # Not below pytest's folder, which other users may not enter.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint, model = folder / "checkpoint", folder / "model.gguf"
        with pytest.raises(StopIteration):
            part.run(data, checkpoint=checkpoint, progress=stop)
        part.save(model)
        old = {path: path.read_bytes() for path in (checkpoint, model)}
        rest.resume(checkpoint)
        before = router.score([arms.Query(None, "question 1")], NAMES)
        with full_disk() if trouble == "full disk" else read_only(folder):
            with pytest.raises(arms.FileError, match="checkpoint: cannot write: ") as caught:
                rest.run(data, checkpoint=checkpoint, checkpoint_interval=1)
            with pytest.raises(arms.FileError, match=r"model\.gguf: cannot write: "):
                rest.save(model)
        wanted = "File too large" if trouble == "full disk" else "Permission denied"
        assert wanted in str(caught.value)
        assert {path: path.read_bytes() for path in folder.iterdir()} == old
        np.testing.assert_array_equal(router.score([arms.Query(None, "question 1")], NAMES), before)
        # With room again, another process would go on from the old checkpoint to the same bits.
        last.resume(checkpoint)
        last.run(data, checkpoint=checkpoint)
    np.testing.assert_array_equal(whole.parameters, last.parameters)


def test_a_saved_router_decides_as_a_committed_one(
    router: arms.Router, data: arms.DataSet, tmp_path: Path
) -> None:
    file = tmp_path / "trained.gguf"
    trainer = trainer_of(router)
    trainer.run(data)
    trainer.save(file)
    trainer.commit()
    query = arms.Query(None, "question 1")
    with arms.Router(file, threads=1) as saved:
        np.testing.assert_array_equal(saved.score([query], NAMES), router.score([query], NAMES))
    trainer.save(file, weights="int8")
    with pytest.raises(arms.InvalidArgumentError, match="'int8'"):
        trainer.save(file, weights="int4")
    with pytest.raises(arms.FileError):
        trainer.save(tmp_path / "absent" / "file")


def test_gradients_of_shares_add_up(router: arms.Router, data: arms.DataSet) -> None:
    trainer = trainer_of(router)
    gradients, parameters = trainer.gradients, trainer.parameters
    assert gradients.dtype == np.float32
    assert gradients.shape == parameters.shape
    losses, mean = [], np.zeros_like(gradients)
    for share in ([0, 1], np.array([2, 3], np.uint8)):
        losses.append(trainer.compute_gradients(data, share))
        mean += gradients / 2
    loss = trainer.compute_gradients(data, [0, 1, 2, 3])
    assert loss == pytest.approx(np.mean(losses))
    np.testing.assert_allclose(gradients, mean, atol=1e-6 * np.abs(mean).max())

    # Operands of 8 bits give nearly the same.
    rounded = trainer_of(router, bfloat16=True)
    rounded.compute_gradients(data, [0, 1, 2, 3])
    error = np.linalg.norm(rounded.gradients - gradients) / np.linalg.norm(gradients)
    assert 1e-4 < error < 0.05

    # The step is made with what the host wrote, into what the host reads.
    before = parameters.copy()
    gradients[:] = 0
    gradients[trainer.layout["gate.weight"]] = 1
    trainer.apply_gradients(1e-3)
    assert (parameters != before)[trainer.layout["gate.weight"]].all()
    name = next(name for name in trainer.layout if name.startswith("t.blk"))
    assert trainer.layout[name].stop > trainer.layout[name].start
    gradients[3] = np.nan
    before = parameters.copy()
    with pytest.raises(arms.NotFiniteError):
        trainer.apply_gradients(1e-3)
    np.testing.assert_array_equal(parameters, before)


@pytest.mark.parametrize("queries", [[], [[0]], [0.5], [-1], [QUERIES], [2**63]])
def test_impossible_queries_are_refused(
    queries: list[Any], router: arms.Router, data: arms.DataSet
) -> None:
    with pytest.raises(arms.InvalidArgumentError, match="quer"):
        trainer_of(router).compute_gradients(data, queries)


def test_arrays_keep_the_memory(router: arms.Router, data: arms.DataSet) -> None:
    with trainer_of(router) as trainer:
        gradients: NDArray[np.float32] = trainer.gradients
        trainer.compute_gradients(data, [0])
        half = gradients[: gradients.size // 2]
        kept = half.copy()
    assert trainer.closed
    assert repr(trainer) == "Trainer(closed)"
    with pytest.raises(arms.InvalidHandleError, match="closed"):
        _ = trainer.gradients
    del trainer, gradients
    gc.collect()
    for _ in range(3):
        trainer_of(router).compute_gradients(data, [1])
    np.testing.assert_array_equal(half, kept)


def test_a_run_outlives_its_trainer(router: arms.Router, data: arms.DataSet) -> None:
    trainer = trainer_of(router)
    metrics = trainer.run(data, data, progress=lambda _progress: trainer.close())
    assert len(metrics) == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"number": 1}, "router is 1"),
        ({"text_layers": -1}, "text_layers"),
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"learning_rate": 0}, "learning_rate is 0"),
        ({"learning_rate": -1}, "learning_rate is -1"),
        ({"learning_rate": np.nan}, "learning_rate is nan"),
        ({"weight_decay": -1}, "weight_decay is -1"),
        ({"clip": -1}, "clip is -1"),
        ({"clip": 10**5000}, "clip is too large"),
        ({"schedule": "linear"}, "'cosine'"),
        ({"threads": 5000}, "threads is 5000"),
        ({"text_layers": 99}, "text_layers is 99"),
        ({"teacher_weight": 2.0}, "teacher_weight is 2"),
        ({"routing_weight": -1.0}, "routing_weight is -1"),
        ({"seed": -1}, "seed"),
    ],
)
def test_impossible_options_are_refused(
    options: dict[str, Any], message: str, router: arms.Router
) -> None:
    with pytest.raises(arms.InvalidArgumentError, match=message):
        trainer_of(router, **options)


def test_impossible_data_are_refused(router: arms.Router) -> None:
    trainer = trainer_of(router)
    with pytest.raises(arms.InvalidArgumentError, match="no training sample"):
        trainer.run(arms.DataSet())
    with pytest.raises(arms.CandidateNotFoundError, match="who"):
        trainer.run(arms.DataSet([(None, "question", {"who": 1})]))
    with pytest.raises(arms.FileError, match="absent"):
        trainer.run(arms.DataSet([("absent.png", "question", {"small": 1})]))
    router.candidates.remove(*router.candidates)
    with pytest.raises(arms.NoCandidatesError):
        trainer_of(router)


@pytest.mark.parametrize("name", ["distilbert-patches-scaled", "distilbert-patches-scaled-int8"])
def test_an_adapter_makes_its_base_the_trained_router(
    name: str, data: arms.DataSet, tmp_path: Path
) -> None:
    base, adapter, merged = MODELS / f"{name}.gguf", tmp_path / "a.gguf", tmp_path / "m.gguf"
    query = arms.Query(None, "question 1")
    with arms.Router(base, threads=1) as router, arms.Router(base, threads=1) as other:
        router.candidates.remove(*router.candidates)
        router.candidates.add([SMALL, LARGE])
        given = {
            "image_layers": "all",
            "lora_rank": 2,
            "lora_alpha": 4,
            "lora_targets": ["value", "up"],
        }
        trainer = trainer_of(router, **given)
        adapted = {name for name in trainer.layout if ".lora_" in name}
        assert adapted
        assert all(".attn_v." in name or ".ffn_up." in name for name in adapted)
        before = trainer.evaluate(data)
        trainer.run(data)
        assert trainer.evaluate(data).loss < before.loss
        trainer.save_adapter(adapter)
        trainer.commit()
        expected = router.score([query])
        other.apply_adapter(adapter)
        assert list(other.candidates) == ["small", "large"]
        np.testing.assert_array_equal(other.score([query]), expected)
        other.save(merged)
        assert adapter.stat().st_size < merged.stat().st_size
        with arms.Router(merged, threads=1) as again:
            np.testing.assert_array_equal(again.score([query]), expected)
        with pytest.raises(arms.InvalidArgumentError, match="another router"):
            other.apply_adapter(adapter)
    with arms.Router(base) as present:
        names = list(present.candidates)
        present.apply_adapter(adapter, keep_candidates=True)
        assert list(present.candidates) == names
    with pytest.raises(arms.UnsupportedError, match="is an adapter"):
        arms.Router(adapter)


def test_adapter_options_that_make_no_sense_are_refused(
    router: arms.Router, tmp_path: Path
) -> None:
    for options, words in (
        ({"lora_rank": -1}, "lora_rank"),
        ({"lora_rank": 2, "text_layers": 0}, "text_layers"),
        ({"lora_rank": 4096}, "at most"),
        ({"lora_rank": 2, "lora_alpha": -1}, "lora_alpha"),
        ({"lora_rank": 2, "lora_alpha": float("nan")}, "alpha"),
        ({"lora_rank": 2, "lora_targets": []}, "lora_targets"),
        ({"lora_rank": 2, "lora_targets": ["head"]}, "lora_targets must be"),
    ):
        with pytest.raises(arms.InvalidArgumentError, match=words):
            trainer_of(router, **options)
    with pytest.raises(arms.InvalidArgumentError, match="no adapters"):
        trainer_of(router).save_adapter(tmp_path / "adapter.gguf")
    assert not list(tmp_path.iterdir())
