"""A frozen text encoder against one whose last two layers are trained with the head.

From what the recipe has learned, the layers and the head go on together: a head that knows nothing yet would spoil
them. The head goes on alone for as long, so that what differs is the layers. One seed, whatever is asked for.
"""

from __future__ import annotations

from typing import Any

from bench import RECIPE, Bench, Settings
from paired import Correct, add, paired_table, tell

import arms

FURTHER: Settings = {**RECIPE, "epochs": 2, "batch_size": 64, "learning_rate": 3e-5, "weight_decay": 1e-2}


def run(bench: Bench) -> dict[str, Any]:
    """Measure; ``{"routers": ...}`` of `paired_table`."""
    correct: Correct = {}
    for place, test in enumerate(bench.tests):
        with bench.train(~test) as router:
            add(correct, "recipe", 0, bench.correct(bench.logits(router)))
            path = bench.work / "frozen.gguf"
            router.save(path)
        for name, layers in (("two more epochs, frozen", 0), ("two more epochs, last two layers", 2)):
            with arms.Router(path, threads=1) as router:
                trainer = arms.Trainer(router, text_layers=layers, threads=1, **FURTHER)
                trainer.run(bench.data(~test))
                trainer.commit()
                add(correct, name, 0, bench.correct(bench.own_logits(router, test)))
        tell(f"split {place}", correct, test)
        bench.forget()
    return {"routers": paired_table(correct, bench.tests, bench.outcomes.groups)}
