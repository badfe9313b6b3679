"""Training runs from files to files: what ``arms train`` and ``arms extend`` do.

>>> from pathlib import Path
>>> from arms.training import TrainOptions, train
>>> options = TrainOptions(
...     model=Path("fresh.gguf"), data=("m2.jsonl.gz",), output=Path("router.gguf"), epochs=5
... )
>>> train(options, progress=True).epochs[-1].exact_match  # doctest: +SKIP
0.672

`arms.Trainer` and the methods of `arms.Router` are what they are made of. Needs the packages of the
extra ``arms[data]``.
"""

from arms.training.configuration import configuration_path, read_configuration, write_configuration
from arms.training.extend import extend
from arms.training.options import ExtendOptions, RunOptions, Strategy, TrainOptions
from arms.training.report import RunReport
from arms.training.train import train

__all__ = [
    "ExtendOptions",
    "RunOptions",
    "RunReport",
    "Strategy",
    "TrainOptions",
    "configuration_path",
    "extend",
    "read_configuration",
    "train",
    "write_configuration",
]
