"""Asking vision-language models behind OpenAI-compatible endpoints (section 3.1 of the paper).

>>> from arms.data.collecting import collect, read_config
>>> collect("queries.jsonl", "collected.jsonl", read_config("models.yaml"))  # doctest: +SKIP
"""

from arms.data.collecting.candidates import describe_candidates, write_candidates
from arms.data.collecting.config import CollectConfig, ModelConfig, read_config
from arms.data.collecting.journal import Journal
from arms.data.collecting.prompt import prompt_of
from arms.data.collecting.run import CollectReport, ModelReport, collect, count_queries

__all__ = [
    "CollectConfig",
    "CollectReport",
    "Journal",
    "ModelConfig",
    "ModelReport",
    "collect",
    "count_queries",
    "describe_candidates",
    "prompt_of",
    "read_config",
    "write_candidates",
]
