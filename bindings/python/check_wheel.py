"""Route with the installed package: its own model, int8 weights, and float ones on OpenBLAS."""

from __future__ import annotations

import sys
from pathlib import Path

import arms


def main(models: Path, image: Path) -> None:
    """Route with a model of each kind, and check which libraries the process has loaded."""
    question = "What is the highest value in the chart?"
    if not arms.default_model().is_relative_to(Path(arms.__file__).parent):
        raise SystemExit(f"{arms.default_model()}: the default model is not that of the package")
    for model, needs_openblas in [
        (arms.default_model(), False),
        (models / "distilbert-patches-scaled-int8.gguf", False),
        (models / "distilbert-patches-scaled.gguf", True),
    ]:
        name = model.stem
        router = arms.Router(model)
        decision = router.route(image, question)
        mapped = Path("/proc/self/maps").read_text()
        # numpy has an OpenBLAS of its own, under another name.
        if ("scipy_openblas32/lib/" in mapped) != needs_openblas:
            wanted = "is not loaded" if needs_openblas else "is loaded without need"
            raise SystemExit(f"{name}: the OpenBLAS that the package depends on {wanted}")
        if "arms.libs/libjpeg" not in mapped or "arms.libs/libpng" not in mapped:
            raise SystemExit(f"{name}: libjpeg and libpng are not those of the package")
        print(f"{name}: {decision.name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
