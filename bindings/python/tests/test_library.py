"""Finding and loading the library."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import arms
from conftest import REPOSITORY


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def compiled(code: str, folder: Path) -> str:
    """Compile C code to a shared library."""
    source, library = folder / "other.c", folder / "libother.so"
    source.write_text(code)
    subprocess.run(["cc", "-shared", "-fPIC", source, "-o", library], check=True)
    return str(library)


def test_the_library_answers() -> None:
    assert arms.abi_version() >= 1
    assert arms.library_version() == arms.__version__
    x86 = {"amx", "avx512bf16", "avx512vnni", "avxvnni", "avx2"}
    assert arms.kernel_isa() in x86 | {"neon", "scalar"}


def test_importing_loads_numpy_alone() -> None:
    code = (
        "import sys, arms\n"
        "heavy = {'typer', 'rich', 'gguf', 'safetensors', 'PIL', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = run(code, ARMS_LIBRARY="/nonexistent/libarms.so")
    assert done.returncode == 0, done.stderr


def test_the_readme_has_every_environment_variable() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    table = readme.partition("## Environment variables")[2].partition("\n## ")[0]
    sources = [path.read_text() for path in Path(arms.__file__).parent.rglob("*.py")]
    read = {
        name for text in sources for name in re.findall(r"environ(?:\.get\(|\[)\W*([\w.]+)", text)
    }
    assert read == {"ARMS_LIBRARY", "self.key_env"}
    for name in read:
        assert f"`{name.removeprefix('self.')}`" in table


def test_a_missing_library_is_named() -> None:
    done = run("import arms; arms.abi_version()", ARMS_LIBRARY="/nonexistent/libarms.so")
    assert "arms.errors.LibraryError: libarms.so at /nonexistent/libarms.so" in done.stderr


def test_an_older_library_is_refused(tmp_path: Path) -> None:
    library = compiled("unsigned arms_abi_version(void) { return 0; }", tmp_path)
    done = run("import arms; arms.abi_version()", ARMS_LIBRARY=library)
    assert "has ABI version 0, but this package needs 1 or later" in done.stderr


def test_another_library_is_refused(tmp_path: Path) -> None:
    library = compiled("int other;", tmp_path)
    done = run("import arms; arms.abi_version()", ARMS_LIBRARY=library)
    assert "is not libarms.so: it has no arms_abi_version()" in done.stderr


def test_an_incomplete_library_is_refused(tmp_path: Path) -> None:
    library = compiled("unsigned arms_abi_version(void) { return 99; }", tmp_path)
    done = run("import arms; arms.abi_version()", ARMS_LIBRARY=library)
    assert "is incomplete: " in done.stderr
    assert "arms_error_status" in done.stderr


def test_open_handles_do_not_disturb_the_exit(model: Path) -> None:
    code = (
        "import threading, arms\n"
        f"router = arms.Router({str(model)!r})\n"
        "question = router.encode_question('What is shown?')\n"
        "def work():\n"
        "    while True: router.route(None, 'What is shown?')\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "cycle = [router]; cycle.append(cycle)\n"
    )
    for _ in range(5):
        done = run(code)
        assert (done.returncode, done.stderr) == (0, "")
