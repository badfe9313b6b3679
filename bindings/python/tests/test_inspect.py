"""What ``arms inspect`` says of model files, of foreign files and of broken ones."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from gguf import GGUFReader, GGUFWriter
from rich.console import Console

import arms
from arms.inspect import inspect_model, print_inspection
from conftest import Command

MODELS = Path(__file__).parents[3] / "Tests" / "Fixtures" / "models"
INT8 = MODELS / "distilbert-patches-scaled-int8.gguf"


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.gguf")), ids=lambda path: path.stem)
def test_bytes_add_up(path: Path) -> None:
    inspection = inspect_model(path)
    weights = sum(use.bytes for use in inspection.types.values())
    assert weights == sum(inspection.parts.values())
    assert weights < inspection.bytes == path.stat().st_size
    assert path.stem.startswith(
        f"{inspection.keys['arms.text.family']}-{inspection.keys['arms.fusion']}"
    )


def test_types() -> None:
    assert set(inspect_model(INT8).types) == {"F32", "I32", "I8"}
    assert "BF16" in inspect_model(MODELS / "distilbert-patches-scaled-bf16.gguf").types


def test_candidates() -> None:
    small, large, reader = inspect_model(INT8).candidates
    assert (small.name, small.cost, small.latency, small.enabled) == ("small", 0.0005, 120.0, True)
    assert large.latency is None
    assert large.max_images == 2
    assert reader.cost is None
    assert (reader.beta, reader.temperature, reader.bias) == (0.125, 2.0, -0.125)
    assert inspect_model(MODELS / "bert-concat-paper.gguf").candidates == []


def test_records_of_both_routers(tmp_path: Path) -> None:
    path = tmp_path / "both.gguf"
    with arms.Router(INT8, threads=1) as first, arms.Router(INT8, threads=1) as second:
        second.candidates.remove(*second.candidates)
        first.join(second, path)
    assert inspect_model(INT8).second_training is None
    inspection = inspect_model(path)
    assert inspection.training == inspection.second_training == inspect_model(INT8).training
    assert not [name for name in inspection.keys if "training" in name]


def test_command_prints_json(command: Command) -> None:
    code, output, _ = command("inspect", "--json", INT8)
    assert code == 0
    document = json.loads(output)
    assert document["keys"]["arms.fusion"] == "patches"
    assert document["training"]["seed"] == 7
    assert document["candidates"][1]["latency"] is None


def test_command_prints_tables(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")  # Not of what is piped.
    code, output, _ = command("inspect", INT8)
    assert code == 0
    assert "arms.text.block_count" in output
    assert "A small fast model, weak at math." in output
    inspection = inspect_model(INT8)
    assert inspection.keys["arms.text.hash"] in output


def test_nothing_is_cut_in_a_narrow_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    inspection = inspect_model(arms.default_model())
    print_inspection(inspection, Console(width=80))
    # The training record is JSON, which is not broken.
    output, _ = capsys.readouterr().out.split("Training record")
    assert "…" not in output
    assert max(map(len, output.splitlines())) <= 80
    rows = [line.split() for line in output.splitlines()]
    for one in inspection.candidates:
        # A row a candidate, unbroken.
        (row,) = (row for row in rows if row[:1] == [one.name])
        assert f"{one.temperature:.4g}" in row


def test_command_fails_in_one_line(command: Command, tmp_path: Path) -> None:
    code, output, said = command("inspect", tmp_path / "none.gguf")
    assert (code, output) == (1, "")
    assert said.count("\n") == 1
    assert "none.gguf: cannot open: No such file" in said


def test_foreign_file(tmp_path: Path) -> None:
    path = tmp_path / "picture.gguf"
    path.write_bytes(b"\x89PNG" + bytes(100))
    with pytest.raises(arms.InvalidModelError, match="not a GGUF file"):
        inspect_model(path)


def test_foreign_architecture(tmp_path: Path) -> None:
    path = tmp_path / "llama.gguf"
    writer = GGUFWriter(path, "llama")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(arms.UnsupportedError, match='architecture "llama"'):
        inspect_model(path)


def test_array_that_is_longer_than_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the file claims is not believed: GGUFReader would take memory without end."""
    path = tmp_path / "endless.gguf"
    array, uint8, key = 9, 0, b"endless"
    path.write_bytes(
        struct.pack("<4sIQQ", b"GGUF", 3, 0, 1)
        + struct.pack(f"<Q{len(key)}s", len(key), key)
        + struct.pack("<IIQ", array, uint8, 2**40)
        + bytes(58)
    )

    def read(*_: object) -> GGUFReader:
        pytest.fail("the file was given to GGUFReader")

    monkeypatch.setattr("arms.inspect.GGUFReader", read)
    with pytest.raises(arms.InvalidModelError, match=f"claims {2**40} elements"):
        inspect_model(path)


def write_nested(path: Path, depth: int) -> None:
    """Write a model file whose training record is nested so deep."""
    old = GGUFReader(INT8).fields["arms.training.record"].contents().encode()
    new = b"[" * depth + b"]" * depth
    new += b" " * ((len(old) - len(new)) % 64)  # So that the tensors stay where they may lie.
    before, after = INT8.read_bytes().split(struct.pack("<Q", len(old)) + old)
    path.write_bytes(before + struct.pack("<Q", len(new)) + new + after)


def test_record_that_is_nested_too_deep(tmp_path: Path) -> None:
    path = tmp_path / "deep.gguf"
    write_nested(path, 100_000)
    with pytest.raises(arms.InvalidModelError, match=r"deep\.gguf.*too deep"):
        inspect_model(path)


def test_record_that_is_read_but_nested_too_deep_to_print(tmp_path: Path, command: Command) -> None:
    path = tmp_path / "deep.gguf"
    refused = 0
    for depth in range(300, 1000, 50):
        write_nested(path, depth)
        status, output, errors = command("inspect", "--json", path)
        if status:
            assert (status, output, "nested too deep" in errors) == (1, "", True)
            refused += 1
    assert refused


@pytest.mark.parametrize("length", [4, 8, 24, 100, 1000, 20_000, 60_000])
def test_truncated_file(tmp_path: Path, length: int) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(INT8.read_bytes()[:length])
    with pytest.raises(arms.InvalidModelError, match=r"cut\.gguf"):
        inspect_model(path)
