"""What Python hosts do to the library: fork, spawn, pre-fork servers, exits with live handles."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
from pathlib import Path

import pytest

import arms

ROOT = Path(__file__).parents[2]
MODELS = [
    ROOT / "Tests" / "Fixtures" / "models" / name
    for name in ("bert-patches-paper-int8.gguf", "distilbert-patches-scaled.gguf")
]
QUESTION = "What is the highest value?"
TIMEOUT = 60

_router: arms.Router | None = None


def _open(path: str) -> None:
    global _router
    _router = arms.Router(path)


def _ask(_: int) -> float:
    assert _router is not None
    return _router.route(None, QUESTION).confidence


def _change(number: int) -> float:
    """Change the child's own candidates and weights, and answer as before."""
    assert _router is not None
    _router.candidates.add(arms.Candidate(name=f"new {number} {os.getpid()}"))
    _router.reload(_router.path)
    return _router.route(None, QUESTION).confidence


@pytest.fixture(params=MODELS, ids=lambda path: path.stem)
def model(request: pytest.FixtureRequest) -> str:
    """Name a model file, int8 or float."""
    return str(request.param)


@pytest.fixture
def expected(model: str) -> float:
    """Answer as a process of its own does."""
    with arms.Router(model) as router:
        return router.route(None, QUESTION).confidence


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_that_open_their_own(model: str, expected: float, method: str) -> None:
    """Every start method, with a router of its own in each worker."""
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(
        3, mp_context=context, initializer=_open, initargs=(model,)
    ) as pool:
        assert set(pool.map(_ask, range(30), timeout=TIMEOUT)) == {expected}
        assert set(pool.map(_change, range(6), timeout=TIMEOUT)) == {expected}


@pytest.mark.parametrize("used", [False, True], ids=["unused", "used"])
def test_workers_that_inherit_a_router(model: str, expected: float, used: bool) -> None:
    """Forked before and after the first use, while all the parent's threads route."""
    _open(model)
    assert _router is not None
    stop = threading.Event()

    def route_on() -> None:
        while not stop.is_set():
            _ask(0)

    threads = [threading.Thread(target=route_on, daemon=True) for _ in range(3 if used else 0)]
    for thread in threads:
        thread.start()
    try:
        context = multiprocessing.get_context("fork")
        for _ in range(3):
            with concurrent.futures.ProcessPoolExecutor(3, mp_context=context) as pool:
                assert set(pool.map(_ask, range(12), timeout=TIMEOUT)) == {expected}
                assert set(pool.map(_change, range(6), timeout=TIMEOUT)) == {expected}
        assert _ask(0) == expected
        # What the children did to theirs is nothing to the parent.
        assert not any(name.startswith("new") for name in _router.candidates)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


APPLICATION = """
    import os
    import arms

    router = arms.Router({model!r})
    router.route(None, "warm")  # In the master, before it forks its workers.

    def application(environ, start_response):
        confidence = router.route(None, {question!r}).confidence
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{{os.getpid()}} {{confidence!r}}".encode()]
"""


def test_a_server_that_forks_its_workers(model: str, expected: float, tmp_path: Path) -> None:
    """Gunicorn, whose master has routed before it forks, and a reload of its workers."""
    (tmp_path / "gateway.py").write_text(textwrap.dedent(APPLICATION.format(model=model, question=QUESTION)))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["--preload", "--workers", "3", "--threads", "2", "--chdir", str(tmp_path)]
    arguments += ["--bind", f"127.0.0.1:{port}", "gateway:application"]
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *arguments],
        stderr=subprocess.DEVNULL,
    )
    try:
        answers = [_get(port) for _ in range(60)]
        assert {float(answer.split()[1]) for answer in answers} == {expected}
        before = {answer.split()[0] for answer in answers}
        # A new generation of workers, as after a change of the application.
        server.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + TIMEOUT
        while (answer := _get(port)).split()[0] in before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert answer.split()[0] not in before
        assert float(answer.split()[1]) == expected
    finally:
        server.terminate()
        assert server.wait(TIMEOUT) == 0


def _get(port: int) -> str:
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=TIMEOUT) as answer:
                text: str = answer.read().decode()
                return text
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


EXITS: dict[str, str] = {
    "live handles": """
        question, image = router.encode_question("What?"), router.encode_image(pixels)
    """,
    "handles in a cycle": """
        cycle = [router, router.encode_question("What?")]
        cycle.append(cycle)
    """,
    "a handle that the module outlives": """
        sys.kept = router.encode_image(pixels)
    """,
    "daemon threads amid calls": """
        def route_on():
            while True:
                router.route(pixels, "What?")
        for _ in range(4):
            threading.Thread(target=route_on, daemon=True).start()
        time.sleep(0.05)
    """,
    "a call in an exit handler": """
        atexit.register(lambda: print(router.route(None, "What?").name is not None, flush=True))
    """,
    "messages to a logger": """
        arms.log_to()
        router.reload(sys.argv[1])
    """,
    "os._exit with live handles": """
        print(router.route(None, "What?").name is not None, flush=True)
        os._exit(0)
    """,
}


PRINTED = dict.fromkeys(("a call in an exit handler", "os._exit with live handles"), "True\n")
"""What an end prints of a call that it makes; the others print nothing."""


@pytest.mark.parametrize("how", EXITS)
def test_the_interpreter_ends_well(how: str, model: str) -> None:
    """Whatever is left open, the exit is quiet and without fault."""
    begin = """
        import atexit, os, sys, threading, time
        import numpy as np
        import arms
        router = arms.Router(sys.argv[1])
        pixels = np.zeros((40, 40, 3), np.uint8)
        router.route(pixels, "What?")
    """
    program = textwrap.dedent(begin) + textwrap.dedent(EXITS[how])
    for _ in range(3):
        ended = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-c", program, model],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, PRINTED.get(how, ""), "")


def test_the_interpreter_answers_a_signal_amid_calls(model: str) -> None:
    """A Python handler runs, and Ctrl-C ends the program as it ends any."""
    program = textwrap.dedent("""
        import signal, sys
        import arms
        router = arms.Router(sys.argv[1])
        seen = []
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        while len(seen) < 200:
            router.route(None, "What is the highest value?")
        signal.setitimer(signal.ITIMER_REAL, 0)
        print("ready", flush=True)
        while True:
            router.route(None, "What?")
    """)
    running = subprocess.Popen(
        [sys.executable, "-c", program, model], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert running.stdout is not None
    assert running.stdout.readline() == b"ready\n"
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=TIMEOUT)
    assert running.returncode == -signal.SIGINT
    assert b"KeyboardInterrupt" in errors


ENVIRONMENTS: dict[str, dict[str, str]] = {
    "turkish": {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
    "c": {"LC_ALL": "C", "TZ": "Asia/Kathmandu"},
    "nonsense": {"TZ": "../../etc/passwd", "LANG": "\x01", "HOME": "/absent"},
}


@pytest.mark.parametrize("where", ENVIRONMENTS)
def test_the_environment_changes_no_answer(model: str, expected: float, where: str) -> None:
    """Locale, time zone and nonsense."""
    program = (
        "import locale, sys, arms\n"
        "try: locale.setlocale(locale.LC_ALL, '')\n"
        f"except locale.Error: assert {where!r} == 'nonsense'\n"
        f"print(repr(arms.Router(sys.argv[1]).route(None, {QUESTION!r}).confidence))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, model],
        env=os.environ | ENVIRONMENTS[where],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert float(answer.stdout) == expected
