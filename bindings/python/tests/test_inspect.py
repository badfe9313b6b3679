"""What ``arms inspect`` says of model files, of foreign files and of broken ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from gguf import GGUFWriter
from typer.testing import CliRunner

from arms.inspect import InspectionError, inspect_model, register

MODELS = Path(__file__).parents[3] / "Tests" / "Fixtures" / "models"
INT8 = MODELS / "distilbert-patches-scaled-int8.gguf"


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    return app


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


def test_command_prints_json(app: typer.Typer) -> None:
    result = CliRunner().invoke(app, ["inspect", "--json", str(INT8)])
    assert result.exit_code == 0
    document = json.loads(result.output)
    assert document["keys"]["arms.fusion"] == "patches"
    assert document["training"]["seed"] == 7
    assert document["candidates"][1]["latency"] is None


def test_command_prints_tables(app: typer.Typer) -> None:
    result = CliRunner().invoke(app, ["inspect", str(INT8)], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "arms.text.block_count" in result.output
    assert "A small fast model, weak at math." in result.output


def test_command_fails_in_one_line(app: typer.Typer, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["inspect", str(tmp_path / "none.gguf")])
    assert result.exit_code == 1
    assert "no such file" in result.output


def test_foreign_file(tmp_path: Path) -> None:
    path = tmp_path / "picture.gguf"
    path.write_bytes(b"\x89PNG" + bytes(100))
    with pytest.raises(InspectionError, match="not a GGUF file"):
        inspect_model(path)


def test_foreign_architecture(tmp_path: Path) -> None:
    path = tmp_path / "llama.gguf"
    writer = GGUFWriter(path, "llama")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(InspectionError, match=r'general\.architecture = "llama"'):
        inspect_model(path)


@pytest.mark.parametrize("length", [4, 8, 24, 100, 1000, 20_000, 60_000])
def test_truncated_file(tmp_path: Path, length: int) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(INT8.read_bytes()[:length])
    with pytest.raises(InspectionError, match=r"cut\.gguf"):
        inspect_model(path)
