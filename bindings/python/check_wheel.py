"""Route with the installed package: int8 without OpenBLAS, float with the packaged one."""

from __future__ import annotations

import sys
from pathlib import Path

import arms


def main(models: Path, image: Path) -> None:
    """Route with a model of each kind, and check which libraries the process has loaded."""
    question = "What is the highest value in the chart?"
    for name, needs_openblas in [
        ("distilbert-patches-scaled-int8", False),
        ("distilbert-patches-scaled", True),
    ]:
        router = arms.Router(models / f"{name}.gguf")
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
