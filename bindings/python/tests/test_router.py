"""A router's life: opening, describing, saving, closing."""

from __future__ import annotations

import copy
import errno
import gc
import os
import pickle
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arms
from arms._library import library


def test_describes_the_model_file(router: arms.Router) -> None:
    info = router.info
    assert info.fusion is arms.Fusion.PATCHES
    assert info.head is arms.Head.SCALED
    assert info.candidate_count == 3
    assert info.router_count == 1
    assert info.threads == 1
    assert 1 <= info.expert_count <= 32
    assert min(info.text_width, info.image_width, info.patch_width, info.shared_width) > 0


def test_reports_its_memory(router: arms.Router, model: Path) -> None:
    memory = router.memory
    assert memory.mapped_bytes + memory.weight_bytes > 0
    with arms.Router(model, copy=True) as copied:
        assert copied.memory.mapped_bytes == 0
        assert copied.memory.weight_bytes > memory.weight_bytes


def test_copied_and_mapped_routers_agree(model: Path) -> None:
    with arms.Router(model) as mapped, arms.Router(model, copy=True) as copied:
        question = [(None, "What is shown?")]
        np.testing.assert_array_equal(mapped.score(question), copied.score(question))


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    path = tmp_path / "absent.gguf"
    with pytest.raises(OSError, match=r"absent\.gguf") as caught:
        arms.Router(path)
    assert isinstance(caught.value, arms.FileError)
    assert caught.value.status == arms.Status.IO


def test_what_a_file_lacks_is_told_as_python_does(
    router: arms.Router, model: Path, tmp_path: Path
) -> None:
    for use in (
        lambda: arms.Router(tmp_path / "absent: a.gguf"),
        lambda: router.save(tmp_path / "absent" / "model.gguf"),
        lambda: router.route(tmp_path / "absent.png", "?"),
    ):
        with pytest.raises(FileNotFoundError, match="absent") as missing:
            use()
        assert isinstance(missing.value, arms.MissingFileError)
        assert missing.value.errno == errno.ENOENT
    for path, number in (
        (model / "inside", errno.ENOTDIR),
        (tmp_path / ("x" * 256), errno.ENAMETOOLONG),
        (tmp_path, None),
    ):
        with pytest.raises(arms.FileError) as caught:
            arms.Router(path)
        assert not isinstance(caught.value, FileNotFoundError)
        assert caught.value.errno == number
        assert caught.value.strerror == (None if number is None else os.strerror(number))
        copied = pickle.loads(pickle.dumps(caught.value))
        assert type(copied) is type(caught.value)
        assert str(copied) == str(caught.value)
        assert (copied.errno, copied.status) == (number, arms.Status.IO)


@pytest.mark.parametrize("content", [b"GGU", b"no model file", b"\0" * 4096])
def test_another_file_is_no_model(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.gguf"
    path.write_bytes(content)
    with pytest.raises(arms.InvalidModelError):
        arms.Router(path)


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "empty.gguf"
    path.touch()
    with pytest.raises(arms.ArmsError, match=r"empty\.gguf: is empty"):
        arms.Router(path)


def test_a_truncated_file_is_no_model(model: Path, tmp_path: Path) -> None:
    content = model.read_bytes()
    path = tmp_path / "truncated.gguf"
    for fraction in (0.1, 0.5, 0.9):
        path.write_bytes(content[: int(len(content) * fraction)])
        with pytest.raises(arms.InvalidModelError):
            arms.Router(path)


@pytest.mark.parametrize(
    "options",
    [{"threads": -1}, {"threads": 1 << 32}, {"max_image_bytes": 0}, {"max_image_pixels": -5}],
)
def test_numbers_out_of_range_are_refused(options: dict[str, int], model: Path) -> None:
    with pytest.raises(arms.InvalidArgumentError, match=next(iter(options))):
        arms.Router(model, **options)  # type: ignore[arg-type]


def test_a_nul_in_a_path_is_refused(router: arms.Router) -> None:
    with pytest.raises(ValueError, match="NUL"):
        arms.Router("a\0b")
    with pytest.raises(ValueError, match="NUL"):
        router.save("a\0b")


def test_a_path_that_is_none_says_what_is_wrong_with_it(router: arms.Router) -> None:
    for use in (arms.Router, router.reload, router.save):
        with pytest.raises(arms.FileError, match="path of the file is empty; give one"):
            use("")
        with pytest.raises(arms.TextError, match="not UTF-8 at byte offset 3; encode it as UTF-8"):
            use(os.fsdecode(b"caf\xe9.gguf"))


def test_a_closed_router_says_so(model: Path) -> None:
    router = arms.Router(model)
    candidates = router.candidates
    router.close()
    router.close()
    assert router.closed
    assert "closed" in repr(router)
    assert "closed" in repr(candidates)
    for use in (
        lambda: router.info,
        lambda: router.route(None, "?"),
        lambda: candidates.list(),
        lambda: candidates.add(arms.Candidate(name="new")),
        router.__enter__,
    ):
        with pytest.raises(arms.InvalidHandleError, match="this Router is closed"):
            use()


def test_with_closes(model: Path) -> None:
    with arms.Router(model) as router:
        assert not router.closed
    assert router.closed


def test_the_collector_closes(model: Path) -> None:
    router = arms.Router(model)
    finalizer, reference = router._finalizer, weakref.ref(router)
    del router
    gc.collect()
    assert reference() is None
    assert not finalizer.alive


@pytest.mark.parametrize("made", ["router", "question", "image", "dataset", "trainer"])
def test_an_interrupted_call_frees_what_it_made(
    made: str, router: arms.Router, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verb = {"router": "open", "question": "encode", "image": "encode"}.get(made, "create")
    make, free = f"arms_{made}_{verb}", f"arms_{made}_free"
    making, freeing = getattr(library(), make), getattr(library(), free)
    addresses: list[int] = []
    freed: list[int] = []

    def interrupted(*arguments: Any) -> int:
        making(*arguments)
        addresses.append(arguments[-2]._obj.value)
        raise KeyboardInterrupt

    def counted(address: Any) -> None:
        freed.append(getattr(address, "value", address))
        freeing(address)

    monkeypatch.setattr(library(), make, interrupted)
    monkeypatch.setattr(library(), free, counted)
    calls: dict[str, Callable[[], object]] = {
        "router": lambda: arms.Router(model),
        "question": lambda: router.encode_question("What is shown?"),
        "image": lambda: router.encode_image(np.zeros((4, 4), np.uint8)),
        "dataset": arms.DataSet,
        "trainer": lambda: arms.Trainer(router),
    }
    with pytest.raises(KeyboardInterrupt):
        calls[made]()
    gc.collect()
    assert len(addresses) == 1
    assert freed == addresses


def test_what_a_router_made_outlives_it(model: Path) -> None:
    with arms.Router(model) as router:
        question = router.encode_question("What is shown?")
        width = router.info.text_width
    assert question.embedding.shape == (width,)


def test_handles_are_neither_copied_nor_pickled(router: arms.Router) -> None:
    for duplicate in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="make one where it is needed"):
            duplicate(router)


def test_repr_says_what_it_is(router: arms.Router, model: Path) -> None:
    text = repr(router)
    assert model.name in text
    assert "fusion='patches'" in text
    assert "candidates=3" in text


def test_saving_keeps_everything(router: arms.Router, tmp_path: Path) -> None:
    router.candidates.update("small", bias=0.25, max_images=0)
    path = tmp_path / "saved.gguf"
    router.save(path)
    with arms.Router(path) as saved:
        assert saved.candidates.list() == router.candidates.list()
        assert saved.candidates.profile("large") == router.candidates.profile("large")
        question = [(None, "What is shown?")]
        np.testing.assert_array_equal(saved.score(question), router.score(question))


def test_saving_over_the_open_file(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(model.read_bytes())
    with arms.Router(path) as router:
        router.candidates.add(arms.Candidate(name="added"))
        router.save(path)
        assert router.route(None, "What is shown?").name
    with arms.Router(path) as reopened:
        assert "added" in reopened.candidates


def test_saving_to_nowhere_leaves_nothing(router: arms.Router, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="absent"):
        router.save(tmp_path / "absent" / "model.gguf")
    assert list(tmp_path.iterdir()) == []


def test_many_threads_use_one_router(router: arms.Router) -> None:
    questions = [f"Question number {number}?" for number in range(8)]
    expected = {q: router.route(None, q).confidence for q in questions}

    def ask(number: int) -> bool:
        question = questions[number % len(questions)]
        return router.route(None, question).confidence == expected[question]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(200)))


def test_candidates_change_while_others_route(router: arms.Router) -> None:
    def change(number: int) -> None:
        name = f"candidate-{number}"
        router.candidates.add(arms.Candidate(name=name, profile="Comes and goes."))
        router.candidates.remove(name)

    def ask(number: int) -> set[str]:
        return {entry.name for entry in router.route(None, f"Question {number}?").ranked}

    with ThreadPoolExecutor(8) as pool:
        changes = [pool.submit(change, number) for number in range(50)]
        answers = list(pool.map(ask, range(100)))
        for done in changes:
            done.result()
    assert all({"small", "large", "unpriced"} <= names for names in answers)
    assert list(router.candidates) == ["small", "large", "unpriced"]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_can_route(router: arms.Router) -> None:
    expected = router.route(None, "What is shown?").confidence
    child = os.fork()
    if child == 0:
        same = router.route(None, "What is shown?").confidence == expected
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
