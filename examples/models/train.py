"""Train the default router on all outcomes, and write it as ``default.gguf`` beside this file.

usage: python train.py DATA TEXT [--output FILE]

The figures of its card come from held_out.py, which trains in the same way without the queries that it tests.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from recipe import Calibration, logits, out_of_fold_logits, read, trained, untrained

import arms
from arms.convert import ConversionError, WeightType


def main(folder: Path, text: Path, output: Path) -> None:
    """Train, calibrate and write."""
    data = read(folder)
    with tempfile.TemporaryDirectory(dir=output.parent) as work:
        start, made = Path(work) / "untrained.gguf", Path(work) / "trained.gguf"
        untrained(text, data.candidates, start, WeightType.INT8)
        print(f"calibrating on {len(data.outcomes)} queries, each scored by a router that has not seen it")
        calibration = Calibration.fit(out_of_fold_logits(start, data.outcomes), data.outcomes.labels)
        print(f"training on {len(data.outcomes)} queries")
        trained(start, data.outcomes).save(made)
        calibration.write(made)
        seen = data.outcomes.labels[range(len(data.outcomes)), logits(made, data.outcomes).argmax(axis=1)]
        print(
            f"exact match on what it was trained on, which says nothing of other queries: {seen.mean():.3f}"
        )
        made.replace(output)
    print(f"{output}: {output.stat().st_size:,} bytes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder with m2.jsonl.gz, splits.json and candidates.json")
    parser.add_argument("text", type=Path, help="folder of the MiniLM-L6 checkpoint")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("default.gguf"))
    arguments = parser.parse_args()
    try:
        main(arguments.data, arguments.text, arguments.output)
    except (arms.ArmsError, ConversionError, OSError) as error:
        parser.exit(1, f"train.py: {error}\n")
