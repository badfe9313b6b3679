"""Route and train with the installed package: its own model, int8 weights, and float ones."""

from __future__ import annotations

import sys
from pathlib import Path

import arms

QUESTION = "What is the highest value in the chart?"


def check_libraries(what: str, needs_openblas: bool) -> None:
    """Check which libraries this process has loaded."""
    mapped = Path("/proc/self/maps").read_text()
    # numpy has an OpenBLAS of its own, under another name.
    if ("scipy_openblas32/lib/" in mapped) != needs_openblas:
        wanted = "is not loaded" if needs_openblas else "is loaded without need"
        raise SystemExit(f"{what}: the OpenBLAS that the package depends on {wanted}")
    if "arms.libs/libjpeg" not in mapped or "arms.libs/libpng" not in mapped:
        raise SystemExit(f"{what}: libjpeg and libpng are not those of the package")


def route(model: Path, image: Path, needs_openblas: bool) -> None:
    """Route with a model."""
    decision = arms.Router(model).route(image, QUESTION)
    check_libraries(model.stem, needs_openblas)
    print(f"{model.stem}: {decision.name}")


def train(model: Path, image: Path) -> None:
    """Train a model on a few outcomes, and route with what it has learned."""
    router = arms.Router(model)
    before = router.route(image, QUESTION)
    data = arms.DataSet()
    for number in range(8):
        # Who was chosen answers wrong, and everybody else right.
        outcomes = {entry.name: int(entry.name != before.name) for entry in before.ranked}
        data.add(image, f"{QUESTION[:-1]} {number}?", outcomes)
    trainer = arms.Trainer(router, epochs=4, batch_size=4, learning_rate=1e-3)
    first = trainer.evaluate(data).loss
    trainer.run(data)
    last = trainer.evaluate(data).loss
    trainer.commit()
    after = router.route(image, QUESTION)
    check_libraries(f"{model.stem}, trained", True)
    if not last < first or after.generation == before.generation:
        raise SystemExit(
            f"{model.stem}: training goes from a loss of {first} to {last}, and has no effect"
        )
    print(f"{model.stem}, trained: {after.name}")


def main(models: Path, image: Path) -> None:
    """Route with a model of each kind, and train one."""
    if not arms.default_model().is_relative_to(Path(arms.__file__).parent):
        raise SystemExit(f"{arms.default_model()}: the default model is not that of the package")
    for model in (arms.default_model(), models / "distilbert-patches-scaled-int8.gguf"):
        route(model, image, needs_openblas=False)
    train(arms.default_model(), image)
    route(models / "distilbert-patches-scaled.gguf", image, needs_openblas=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
