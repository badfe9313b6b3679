"""Counters, histograms, and the library's messages."""

from __future__ import annotations

import gc
import logging
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import arms
from arms._library import library


def test_what_a_router_does_is_counted(router: arms.Router, png: Path) -> None:
    assert router.metrics.routes == 0
    chosen = [router.route(png, "What is shown?").name for _ in range(3)]
    router.route(None, "word " * 600, abstain_below=1.0)
    router.score([(None, "What?"), (None, "Who?")])
    metrics = router.metrics
    assert (metrics.routes, metrics.scores, metrics.scored_queries) == (4, 1, 2)
    assert (metrics.abstentions, metrics.truncated_questions) == (1, 1)
    assert (metrics.second_router, metrics.ignored_images, metrics.reloads) == (0, 0, 0)
    assert {info.name: info.chosen for info in router.candidates.list()} == {
        name: chosen.count(name) for name in router.candidates
    }
    assert "Histogram(count=4, seconds=" in repr(metrics)
    assert "bounds" not in repr(metrics)
    counts = {stage: histogram.count for stage, histogram in metrics.stages.items()}
    # The candidates' profiles were texts as well: two were added with one, and one by its name.
    assert counts[arms.Stage.ROUTE] == 4
    assert counts[arms.Stage.DECODE] == counts[arms.Stage.IMAGE] == 3
    assert counts[arms.Stage.HEAD] == 5
    assert counts[arms.Stage.TOKENIZE] == counts[arms.Stage.TEXT] >= 5


def test_what_came_encoded_is_counted(router: arms.Router, png: Path) -> None:
    question, image = router.encode_question("What?"), router.encode_image(png)
    router.route([image, image], question)
    router.score([(image, question), (None, "Who?")])
    assert (router.metrics.reused_questions, router.metrics.reused_images) == (2, 3)


def test_histograms_add_up(router: arms.Router) -> None:
    for _ in range(20):
        router.route(None, "What is shown?")
    histogram = router.metrics.stages[arms.Stage.ROUTE]
    assert sum(histogram.buckets) == histogram.count == 20
    assert histogram.cumulative[-1] == 20
    assert histogram.bounds[0] == 1.024e-6
    assert histogram.bounds[-1] == float("inf")
    assert list(histogram.bounds) == sorted(set(histogram.bounds))
    # The mean lies between the least and the most that the buckets allow.
    pairs = list(zip((0.0, *histogram.bounds), histogram.bounds, histogram.buckets, strict=False))
    assert sum(low * n for low, _, n in pairs) < histogram.seconds
    assert histogram.seconds <= sum(high * n for _, high, n in pairs if n)


def test_errors_are_counted_by_kind(router: arms.Router, tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(arms.NoCandidatesError):
            router.route(None, "What?", allowed=[])
    with pytest.raises(arms.FileError):
        router.encode_image(tmp_path / "absent.png")
    with pytest.raises(arms.FileError):
        router.reload(tmp_path / "absent.gguf")
    assert router.metrics.errors == {arms.Status.NO_CANDIDATES: 2, arms.Status.IO: 2}
    assert router.metrics.routes == 0


def test_counts_outlive_changes_of_candidates_and_weights(router: arms.Router, model: Path) -> None:
    name = router.route(None, "What?").name
    assert name is not None
    router.candidates.add(arms.Candidate(name="another"))
    router.candidates.disable("another")
    router.reload(model, keep_candidates=True)
    assert router.candidates[name].chosen == 1
    assert (router.metrics.routes, router.metrics.reloads) == (1, 1)


def test_no_route_of_many_threads_is_lost(router: arms.Router) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: router.route(None, "What?"), range(200)))
    assert router.metrics.routes == router.metrics.stages[arms.Stage.ROUTE].count == 200
    assert sum(info.chosen for info in router.candidates.list()) == 200


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What the library logs during a test."""
    caplog.set_level(logging.INFO, "arms")
    arms.log_to()
    yield caplog
    arms.log_to(None)


def test_messages_go_to_a_logger(
    logged: pytest.LogCaptureFixture, model: Path, tmp_path: Path
) -> None:
    with arms.Router(model) as router:
        router.reload(model)
        with pytest.raises(arms.FileError):
            router.reload(tmp_path / "absent.gguf")
    levels = [(record.levelname, record.getMessage().split(":")[0]) for record in logged.records]
    assert levels == [
        ("INFO", "arms_router_open"),
        ("INFO", "arms_router_reload"),
        ("ERROR", "arms_router_reload"),
    ]
    assert "generation 2" in logged.records[1].getMessage()
    assert "absent.gguf" in logged.records[2].getMessage()


def test_nothing_is_logged_unless_asked(caplog: pytest.LogCaptureFixture, model: Path) -> None:
    arms.log_to(None)
    with arms.Router(model):
        assert not caplog.records


def test_an_interrupt_inside_the_logger_is_raised_by_the_call(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupting(logging.Handler):
        def emit(self, _record: logging.LogRecord) -> None:
            signal.raise_signal(signal.SIGINT)

    logger = logging.Logger("interrupting")
    logger.addHandler(Interrupting())
    handler = signal.getsignal(signal.SIGINT)
    freeing = library().arms_router_free
    freed: list[object] = []
    monkeypatch.setattr(library(), "arms_router_free", lambda one: freed.append(freeing(one)))
    arms.log_to(logger)
    gc.disable()
    try:
        with pytest.raises(KeyboardInterrupt):
            arms.Router(model)
        assert len(freed) == 1
        with pytest.raises(KeyboardInterrupt) as caught:
            arms.Router("/absent.gguf")
        assert isinstance(caught.value.__cause__, arms.FileError)
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        gc.enable()
        arms.log_to(None)


def test_a_logger_makes_calls_no_enumerations(
    router: arms.Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(_number: int) -> object:
        raise AssertionError("the handlers of all signals are asked for by enumeration")

    arms.log_to()
    try:
        with monkeypatch.context() as patched:
            patched.setattr(signal, "getsignal", slow)
            assert len(router.candidates) > 0
    finally:
        arms.log_to(None)


def test_a_failure_inside_the_logger_is_not_logged_again(model: Path) -> None:
    seen = []

    class Failing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())
            with pytest.raises(arms.FileError):
                arms.Router("/absent.gguf")

    logger = logging.Logger("failing")
    logger.addHandler(Failing())
    arms.log_to(logger)
    try:
        with arms.Router(model):
            assert len(seen) == 1
    finally:
        arms.log_to(None)
