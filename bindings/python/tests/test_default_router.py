"""The router that comes with the package, and what its card says of it."""

from __future__ import annotations

import importlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import arms
from arms import _default_model
from conftest import REPOSITORY
from test_cli import records, run

FOLDER = REPOSITORY / "examples" / "models"
CHART = REPOSITORY / "examples" / "images" / "chart.png"
QUESTION = "What is the highest value in the chart?"
CARD = (FOLDER / "README.md").read_text(encoding="utf-8")
FIGURES = json.loads((FOLDER / "figures.json").read_text(encoding="utf-8"))
UNSEEN = "did not look at the image"


@pytest.fixture
def default() -> Iterator[arms.Router]:
    with arms.Router(threads=1) as router:
        yield router


def test_the_recipe_finds_the_models_description_or_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    recipe = importlib.import_module("recipe")
    folder = tmp_path / "data"
    folder.mkdir()
    with pytest.raises(FileNotFoundError, match=f"neither in {folder} nor above"):
        recipe.described(folder)
    (tmp_path / "candidates.json").touch()
    monkeypatch.chdir(folder)
    assert recipe.described(Path()) == tmp_path / "candidates.json"
    (folder / "candidates.json").touch()
    assert recipe.described(folder) == folder / "candidates.json"


def test_opens_without_arguments(default: arms.Router) -> None:
    assert Path(default.path) == arms.default_model()
    assert len(default.candidates) == 14
    assert all(info.cost is not None for info in default.candidates.list())
    assert {"gpt-4o", "claude-3.5-sonnet", "qwen2-vl-7b"} <= set(default.candidates)


def test_routes_by_the_question(default: arms.Router) -> None:
    decision = default.route(CHART, QUESTION)
    confidences = [entry.confidence for entry in decision.ranked]
    assert confidences == sorted(confidences, reverse=True)
    assert len(set(confidences)) == 14
    other = default.route(CHART, "Is the function differentiable at x = 0? choice: (A) Yes (B) No")
    assert [entry.name for entry in other.ranked] != [entry.name for entry in decision.ranked]


def test_does_not_look_at_images(default: arms.Router) -> None:
    assert not default.info.sees_images
    seen, unseen = default.route(CHART, QUESTION), default.route(None, QUESTION)
    assert [entry.confidence for entry in seen.ranked] == [e.confidence for e in unseen.ranked]


def test_a_router_with_an_image_encoder_says_so(router: arms.Router) -> None:
    assert router.info.sees_images


def test_is_calibrated(default: arms.Router) -> None:
    infos = default.candidates.list()
    assert len({info.temperature for info in infos}) == 1
    assert infos[0].temperature != 1
    assert len({info.bias for info in infos}) == len(infos)


def test_money_buys_confidence(default: arms.Router) -> None:
    best = default.route(None, QUESTION)
    frugal = default.route(None, QUESTION, policy="utility", lambda_=1e6)
    costs = {info.name: info.cost or 0.0 for info in default.candidates.list()}
    assert frugal.name is not None
    assert best.name is not None
    assert costs[frugal.name] == min(costs.values()) < costs[best.name]


def test_the_command_needs_no_model() -> None:
    done = run("route", CHART, QUESTION)
    assert (done.returncode, done.stderr) == (0, "")
    with arms.Router() as router:
        decision = router.route(CHART, QUESTION)
    lines = done.stdout.splitlines()
    assert lines[1].startswith(f"→ {decision.name}")
    assert UNSEEN in lines[-1]
    (record,) = records("route", CHART, QUESTION)
    assert (record["name"], record["images_used"]) == (decision.name, 0)
    assert UNSEEN not in run("route", "none", QUESTION).stdout


def test_the_command_counts_the_images_it_used(model: Path, png: Path) -> None:
    (record,) = records("route", model, png, QUESTION, "--image", png)
    assert record["images_used"] == 2
    assert UNSEEN not in run("route", model, png, QUESTION).stdout


def test_the_command_says_which_routers_looked_at_the_image(
    model: Path, png: Path, tmp_path: Path
) -> None:
    # The first router is blind, and the second one is not.
    both = tmp_path / "both.gguf"
    assert run("merge", arms.default_model(), model, "-o", both).returncode == 0
    part = "One of the two routers has no image encoder"
    stays, asks = (["--policy", "cascade", "--theta", theta] for theta in ("1e-9", "1"))
    second = [png, QUESTION, "--second"]
    cases: list[tuple[list[object], int, str]] = [
        ([both, png, QUESTION], 1, part),
        ([both, png, QUESTION, *stays], 0, UNSEEN),
        ([both, png, QUESTION, *asks], 1, part),
        ([arms.default_model(), *second, model], 1, part),
        ([arms.default_model(), *second, model, *stays], 0, UNSEEN),
        ([model, *second, arms.default_model()], 1, part),
        ([model, *second, arms.default_model(), *stays], 1, ""),
        ([both, "none", QUESTION], 0, ""),
    ]
    for words, used, note in cases:
        shown = run("route", *words).stdout
        assert [text for text in (part, UNSEEN) if text in shown] == [note] * bool(note), words
        (record,) = records("route", *words)
        assert record["images_used"] == used, words


@pytest.mark.parametrize(
    "words", [["model.gguf", "none"], ["none"], ["model.gguf", "none", "What", "is", "it?"]]
)
def test_the_command_refuses_other_words(words: list[str]) -> None:
    done = run("route", *words)
    assert (done.returncode, done.stdout) == (2, "")


def test_the_readme_begins_with_what_it_prints() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    block = readme.split("```console\n$ arms route examples/images/chart.png", 1)[1]
    command, shown = block.split("\n", 1)
    done = run("route", CHART, command.strip().strip('"'))
    expected, printed = shown.split("\n```")[0].splitlines(), done.stdout.splitlines()
    assert printed[-1].rstrip() == expected[-1]
    rows = [[line[2:].split() for line in lines[1:-1]] for lines in (expected, printed)]
    assert [row[0] for row in rows[0]] == [row[0] for row in rows[1]]
    # Other instruction sets may round the third digit otherwise.
    numbers = [[float(row[1]) for row in table] for table in rows]
    assert numbers[0] == pytest.approx(numbers[1], abs=2e-3)


def test_a_package_without_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_default_model, "__file__", str(tmp_path / "a/b/c/d/arms/module.py"))
    with pytest.raises(arms.FileError, match="no default model"):
        arms.default_model()


def test_an_installed_package_has_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "arms"
    (package / "models").mkdir(parents=True)
    shutil.copy(arms.default_model(), package / "models" / "default.gguf")
    monkeypatch.setattr(_default_model, "__file__", str(package / "_default_model.py"))
    with arms.Router() as router:
        assert Path(router.path).is_relative_to(package)


def test_the_file_is_as_small_as_the_card_says() -> None:
    size = arms.default_model().stat().st_size
    assert size <= 32_000_000
    stated = re.search(r"([0-9,]+) bytes", CARD)
    assert stated is not None
    assert int(stated[1].replace(",", "")) == size


def test_the_cards_tables_are_those_of_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    assert importlib.import_module("card").filled(CARD, FIGURES) == CARD


def test_one_split_has_no_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    card, held_out, by_commands = map(importlib.import_module, ("card", "held_out", "by_commands"))
    measured = held_out.Measured(
        {name: [np.array([1.0, 0, 1])] for name in card.ROUTERS},
        [np.array(["a", "b", "c"])],
        [{"em": dict.fromkeys(card.ROUTERS, 0.5)}],
    )
    figures = json.loads(json.dumps({"routers": held_out.summary(measured, 1)}, allow_nan=False))
    assert figures["routers"]["oracle"]["error over splits"] is None
    assert "| oracle | 50.0 | +0.00 | +0.0 to +0.0 |" in card.exact_match(figures)
    router = {"name": "ours", "kind": "router", "em": {"value": 0.5}}
    table = by_commands.by_split([{"all": {"routers": [router]}}])
    assert table.endswith("| **ARMS** | 50.0 | 50.0 |")


def test_a_document_without_the_marks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    replaced = importlib.import_module("document").replaced
    assert replaced("a <b>old<e> z", "<b>", "<e>", "new") == "a <b>new<e> z"
    for document, mark in (("a <e> z", "<b>"), ("<e> <b> z", "<e>"), ("a", "<b>")):
        with pytest.raises(ValueError, match=f"lacks the mark '{mark}'"):
            replaced(document, "<b>", "<e>", "new")


def test_the_figures_are_complete() -> None:
    assert len(FIGURES["runs"]) == 5 * FIGURES["seeds"]
    for run_ in FIGURES["runs"]:
        assert set(FIGURES["routers"]) == set(run_["em"])
        assert all(0 <= em <= 1 for em in run_["em"].values())


def test_the_card_keeps_the_text_encoders_notice() -> None:
    notice = (FOLDER / "NOTICE").read_text(encoding="utf-8")
    assert "all-MiniLM-L6-v2" in notice
    assert "Apache License, Version 2.0" in notice
    assert "(NOTICE)" in CARD
