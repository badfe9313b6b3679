"""A frozen text encoder against one whose last two layers are trained with the head.

From what the recipe has learned, the layers and the head go on together: a head that knows nothing yet would spoil them.
The head goes on alone for as long, so that what differs is the layers.
"""

from __future__ import annotations

from typing import Any

from bench import RECIPE, Bench, Settings
from paired import paired_table

import arms

FURTHER: Settings = {**RECIPE, "epochs": 2, "batch_size": 64, "learning_rate": 3e-5, "weight_decay": 1e-2}


def run(bench: Bench) -> dict[str, Any]:
    """Measure; ``{"routers": ...}`` of `paired_table`."""
    correct: dict[str, list[list[Any]]] = {}
    for test in bench.tests:
        with bench.train(~test) as router:
            correct.setdefault("recipe", [[]])[0].append(bench.correct(bench.logits(router)))
            path = bench.work / "frozen.gguf"
            router.save(path)
        for name, layers in (("two more epochs, frozen", 0), ("two more epochs, last two layers", 2)):
            with arms.Router(path, threads=1) as router:
                trainer = arms.Trainer(router, text_layers=layers, threads=1, **FURTHER)
                trainer.run(bench.data(~test))
                trainer.commit()
                correct.setdefault(name, [[]])[0].append(bench.correct(_logits(bench, router, test)))
        print({n: [round(100 * float(v[0][-1][test].mean()), 1)] for n, v in correct.items()}, flush=True)
        bench.forget()
    return {"routers": paired_table(correct, bench.tests, bench.outcomes.groups)}


def _logits(bench: Bench, router: arms.Router, test: Any) -> Any:
    """Return t_ij of the tested questions by the router's own encoder, the rest 0."""
    import numpy as np

    logits = np.zeros(bench.labels.shape)
    asked = [(None, question) for question in bench.outcomes.select(test).questions]
    logits[test] = router.score(asked, bench.names, output="logit")
    return logits
