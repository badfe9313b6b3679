"""Choose, per request, which vision-language model will answer correctly.

>>> import arms
>>> router = arms.Router()  # doctest: +SKIP
>>> router.route("chart.png", "Which year had the highest sales?").name  # doctest: +SKIP
'claude-3.5-sonnet'

``arms.Router()`` opens the model that comes with the package, `default_model`; give it the path of
another to open that. The work is done in-process by ``libarms.so``, which is loaded at its first
use.
"""

from arms._default_model import default_model
from arms._library import abi_version, kernel_isa
from arms._library import version as library_version
from arms._training_options import TrainingOptions
from arms.adaptation import ExtensionReport, HeldOutMetrics
from arms.candidates import Candidate, CandidateInfo, Candidates
from arms.dataset import DataSet, DataSetMemory, Label, Outcome, Sample
from arms.decision import Decision, RankedCandidate
from arms.encoded import EncodedImage, EncodedQuestion
from arms.errors import (
    ArmsError,
    BufferTooSmallError,
    BusyError,
    CancelledError,
    CandidateExistsError,
    CandidateNotFoundError,
    ConflictError,
    FileError,
    ImageError,
    InternalError,
    InvalidArgumentError,
    InvalidHandleError,
    InvalidModelError,
    LibraryError,
    LimitExceededError,
    MissingFileError,
    MissingValueError,
    NoCandidatesError,
    NotFiniteError,
    OutOfMemoryError,
    Status,
    TextError,
    UnsupportedError,
)
from arms.images import Image, Images
from arms.log import log_to
from arms.metrics import Histogram, RouterMetrics, Stage
from arms.options import Fusion, Head, LoraTarget, Output, Policy, Schedule, WeightType
from arms.progress import Metrics, Progress
from arms.query import Query, Question
from arms.router import Router, RouterInfo, RouterMemory
from arms.trainer import Trainer

__version__ = "0.1.0"

__all__ = [
    "ArmsError",
    "BufferTooSmallError",
    "BusyError",
    "CancelledError",
    "Candidate",
    "CandidateExistsError",
    "CandidateInfo",
    "CandidateNotFoundError",
    "Candidates",
    "ConflictError",
    "DataSet",
    "DataSetMemory",
    "Decision",
    "EncodedImage",
    "EncodedQuestion",
    "ExtensionReport",
    "FileError",
    "Fusion",
    "Head",
    "HeldOutMetrics",
    "Histogram",
    "Image",
    "ImageError",
    "Images",
    "InternalError",
    "InvalidArgumentError",
    "InvalidHandleError",
    "InvalidModelError",
    "Label",
    "LibraryError",
    "LimitExceededError",
    "LoraTarget",
    "Metrics",
    "MissingFileError",
    "MissingValueError",
    "NoCandidatesError",
    "NotFiniteError",
    "OutOfMemoryError",
    "Outcome",
    "Output",
    "Policy",
    "Progress",
    "Query",
    "Question",
    "RankedCandidate",
    "Router",
    "RouterInfo",
    "RouterMemory",
    "RouterMetrics",
    "Sample",
    "Schedule",
    "Stage",
    "Status",
    "TextError",
    "Trainer",
    "TrainingOptions",
    "UnsupportedError",
    "WeightType",
    "abi_version",
    "default_model",
    "kernel_isa",
    "library_version",
    "log_to",
]
