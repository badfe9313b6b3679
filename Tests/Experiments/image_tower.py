"""A small image tower, trained with the head or left as it began, beside none; and the paper's other ablation rows.

No image encoder that was trained on other images is at hand, so this one begins at random: a CLIP ViT of two layers
that reads 64 x 64 pixels. The text tower is frozen; ``text_encoder.py`` trains it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import RECIPE, RECIPE_HEAD, Bench, Settings
from paired import Correct, add, paired_table, tell

from arms.convert import Fusion

SIZE = 64
SHORTER: Settings = {**RECIPE, "epochs": 12, "batch_size": 304}
"""As many steps as the recipe makes, each on a third of the queries: an epoch runs through all images."""
TRAINED: Settings = {**SHORTER, "image_layers": "all"}
PATCHES = replace(RECIPE_HEAD, fusion=Fusion.PATCHES, attention_heads=4, attention_width=32)

REFERENCE = "patches, image tower trained"
NONE = "no image tower"
ROWS: dict[str, dict[str, Any]] = {
    REFERENCE: {"head": PATCHES, "settings": TRAINED},
    "patches, image tower frozen": {"head": PATCHES, "settings": SHORTER},
    "pooled, image tower trained": {"head": replace(PATCHES, fusion=Fusion.POOLED), "settings": TRAINED},
    "concat, image tower trained": {"head": RECIPE_HEAD, "settings": TRAINED},
    "patches, image tower trained, profiles are names only": {
        "head": PATCHES,
        "settings": TRAINED,
        "named_only": True,
    },
    NONE: {"settings": SHORTER},
}


def run(bench: Bench) -> dict[str, Any]:
    """Measure; ``{"routers": ...}`` of `paired_table`."""
    tower = _tower(bench.work / "tower")
    correct: Correct = {}
    for place, test in enumerate(bench.tests):
        for name, row in ROWS.items():
            for seed in range(bench.seeds):
                with bench.train(~test, seed=seed, tower=None if name == NONE else tower, **row) as router:
                    seen = bench.own_logits(router, test, images=name != NONE)
                    add(correct, name, seed, bench.correct(seen))
            tell(f"split {place}", {name: correct[name]}, test)
        bench.forget()
    return {"routers": paired_table(correct, bench.tests, bench.outcomes.groups)}


def _tower(folder: Path) -> Path:
    """Write the checkpoint of a fresh tower."""
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(0)
    config = CLIPVisionConfig(
        image_size=SIZE,
        patch_size=16,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=64,
    )
    CLIPVisionModelWithProjection(config).save_pretrained(folder)
    sizes = {
        "size": {"shortest_edge": SIZE},
        "crop_size": {"height": SIZE, "width": SIZE},
        "resample": 3,
        "image_processor_type": "CLIPImageProcessor",
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(sizes))
    return folder
