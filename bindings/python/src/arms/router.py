"""The router: a model file, opened."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import SupportsFloat

import numpy as np
from numpy.typing import NDArray

from arms import _ffi
from arms._default_model import default_model
from arms._library import call, library
from arms._marshal import c_path, c_strings, filled, floats, parts, real, unsigned, utf8
from arms.adaptation import AdaptableRouter
from arms.candidates import Candidates
from arms.decision import Decision, decision_of
from arms.encoded import EncodedImage, EncodedQuestion
from arms.errors import BufferTooSmallError, InvalidArgumentError
from arms.images import Image, Images, image_input
from arms.metrics import RouterMetrics, metrics_of
from arms.options import Fusion, Head, Output, Policy, unread
from arms.query import Query, Question, fill

__all__ = ["Router", "RouterInfo", "RouterMemory"]

MAX_IMAGE_BYTES = 67_108_864
MAX_IMAGE_PIXELS = 100_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class RouterInfo:
    """What a router is; for a cascade the widths are the first router's.

    Parameters
    ----------
    fusion, head
        The architecture of the experts and of the logit.
    expert_count
        N.
    text_width
        d_t: of a pooled question and of a profile's embedding.
    image_width
        d_v: of a pooled image.
    patch_width
        d_p: of an image token; 0 without an image encoder.
    image_tokens
        Image tokens of one image, CLS included; 0 without an image encoder.
    image_size
        Side of the prepared square image, in pixels; 0 if the router has no image encoder, and so
        ignores the images of its queries.
    max_images
        Images that a query may have.
    max_question_tokens
        Longer questions are truncated.
    shared_width
        r: of the classifier.
    router_count
        2 when the file holds a cascade's second router.
    threads
        Threads that a call may use.
    candidate_count
        Candidates, disabled ones included.
    generation
        Grows with every change of the candidates or weights.
    """

    fusion: Fusion
    head: Head
    expert_count: int
    text_width: int
    image_width: int
    patch_width: int
    image_tokens: int
    image_size: int
    max_images: int
    max_question_tokens: int
    shared_width: int
    router_count: int
    threads: int
    candidate_count: int
    generation: int

    @property
    def sees_images(self) -> bool:
        """Whether images decide with the question, for the first router; else it ignores them.

        A cascade's second router may see them all the same: `Decision.images_ignored` says what
        became of them.
        """
        return self.image_size > 0


@dataclass(frozen=True, kw_only=True, slots=True)
class RouterMemory:
    """The memory that a router holds, in bytes.

    Parameters
    ----------
    mapped_bytes
        The model file, shared with every process that maps it.
    weight_bytes
        Weights held privately: copied or converted at load, trained or merged.
    candidate_bytes
        Embeddings and keys of the candidates.
    scratch_bytes
        Scratch kept for the next calls.
    """

    mapped_bytes: int
    weight_bytes: int
    candidate_bytes: int
    scratch_bytes: int


class Router(AdaptableRouter):
    """A router loaded from a model file, with its candidates.

    Every method may be called from any number of threads at once; the interpreter's lock is
    released meanwhile. `close` it, or use it in a ``with`` statement; what it made stays valid.

    Parameters
    ----------
    path
        The model file; `None` for the one that comes with the package, `arms.default_model`.
    threads
        Threads that a call may use, the caller's included; 0 for the cores of this process, fewer
        where its container is limited to less processor time.
    copy
        Read the file into memory instead of mapping it. A mapped file that another process
        truncates kills its readers; a copy cannot be truncated, but takes the time to load and is
        not shared.
    max_image_bytes
        Largest encoded image.
    max_image_pixels
        Largest image, width times height.

    Raises
    ------
    FileError
        If the file cannot be opened or read.
    InvalidModelError
        If it is no model file, is damaged, or contradicts itself.
    LibraryError
        If ``libarms.so`` cannot be loaded.

    Examples
    --------
    >>> with arms.Router("router.gguf") as router:  # doctest: +SKIP
    ...     decision = router.route("chart.png", "Which year had the highest sales?")
    ...     print(decision.name, decision.confidence)
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        threads: int = 0,
        copy: bool = False,
        max_image_bytes: int = MAX_IMAGE_BYTES,
        max_image_pixels: int = MAX_IMAGE_PIXELS,
    ) -> None:
        options = _ffi.new(
            _ffi.OpenOptions,
            flags=_ffi.OPEN_COPY if copy else 0,
            threads=unsigned(threads, "threads"),
            max_image_bytes=_limit(max_image_bytes, "max_image_bytes"),
            max_image_pixels=_limit(max_image_pixels, "max_image_pixels"),
        )
        chosen = default_model() if path is None else path
        encoded = c_path(chosen, "the model's path")
        super().__init__(
            "arms_router_open", encoded, ctypes.byref(options), free="arms_router_free"
        )
        self.path = os.fspath(chosen)
        """The path that the weights were read from last."""
        self._candidates = Candidates(self)

    @property
    def candidates(self) -> Candidates:
        """The candidates, a mapping by name that can be changed."""
        return self._candidates

    @property
    def info(self) -> RouterInfo:
        """What the router is, as of now."""
        info = _ffi.new(_ffi.RouterInfo)
        call(library().arms_router_describe, self._pointer(), ctypes.byref(info))
        return RouterInfo(
            fusion=Fusion.of(info.fusion),
            head=Head.of(info.head),
            expert_count=info.expert_count,
            text_width=info.text_width,
            image_width=info.image_width,
            patch_width=info.patch_width,
            image_tokens=info.image_tokens,
            image_size=info.image_size,
            max_images=info.max_images,
            max_question_tokens=info.max_question_tokens,
            shared_width=info.shared_width,
            router_count=info.router_count,
            threads=info.threads,
            candidate_count=info.candidate_count,
            generation=info.generation,
        )

    @property
    def memory(self) -> RouterMemory:
        """The memory that the router holds, as of now."""
        memory = _ffi.new(_ffi.Memory)
        call(library().arms_router_memory, self._pointer(), ctypes.byref(memory))
        return RouterMemory(
            mapped_bytes=memory.mapped_bytes,
            weight_bytes=memory.weight_bytes,
            candidate_bytes=memory.candidate_bytes,
            scratch_bytes=memory.scratch_bytes,
        )

    @property
    def metrics(self) -> RouterMetrics:
        """What the router has done, as of now; nobody who routes waits for it."""
        metrics = _ffi.new(_ffi.RouterCounters)
        call(library().arms_router_metrics, self._pointer(), ctypes.byref(metrics))
        return metrics_of(metrics)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the router and its present candidates as a model file.

        Parameters
        ----------
        path
            Replaced in one step when all bytes are on disk, or left as it is. May be the file
            that the router was opened from.

        Raises
        ------
        FileError
            If it cannot be written.
        """
        encoded = c_path(path, "the model's path")
        call(library().arms_router_save, self._pointer(), encoded)

    def reload(
        self, path: str | os.PathLike[str] | None = None, *, keep_candidates: bool = False
    ) -> None:
        """Replace weights and candidates by those of a model file, in one step, under load.

        Calls in flight finish on what they began with. The file passes every check of opening one,
        and its weights answer a query, before they serve; a file that fails leaves the old one
        serving. Never write to a model file that is in use: write another and rename it over the
        old one, as `save` does.

        Parameters
        ----------
        path
            The model file; `None` for the one at `path`, which another has replaced meanwhile.
        keep_candidates
            Keep the present candidates with their costs, latencies and limits. What is learned of
            them comes from the file, where it has one of that name and profile.

        Raises
        ------
        FileError
            If the file cannot be opened or read.
        InvalidModelError
            If it is no model file, is damaged, or contradicts itself.
        InvalidArgumentError
            If a candidate cannot be kept: its embedding was given, and has another width.
        """
        chosen = self.path if path is None else path
        encoded = c_path(chosen, "the model's path")
        options = _ffi.new(
            _ffi.ReloadOptions, flags=_ffi.RELOAD_KEEP_CANDIDATES if keep_candidates else 0
        )
        call(library().arms_router_reload, self._pointer(), encoded, ctypes.byref(options))
        self.path = os.fspath(chosen)

    def apply_adapter(self, path: str | os.PathLike[str], *, keep_candidates: bool = False) -> None:
        """Add an adapter of `Trainer.save_adapter` to the weights, in one step, under load.

        The weights must be those that it was trained on. The router then answers as the trained one
        did, to the bit, and `save` writes the merged model. The file is checked as in `reload`, and
        one that fails leaves the router as it was.

        Parameters
        ----------
        path
            The adapter.
        keep_candidates
            Keep the present candidates, as in `reload`, in place of those of the training.

        Raises
        ------
        FileError
            If the file cannot be opened or read.
        InvalidModelError
            If it is damaged, or does not fit the router.
        UnsupportedError
            If it is no adapter.
        InvalidArgumentError
            If it is an adapter of other weights, or a candidate cannot be kept.

        Examples
        --------
        >>> with arms.Router("base.gguf") as router:  # doctest: +SKIP
        ...     router.apply_adapter("adapter.gguf")
        ...     router.save("merged.gguf")
        """
        encoded = c_path(path, "the adapter's path")
        options = _ffi.new(
            _ffi.ReloadOptions, flags=_ffi.RELOAD_KEEP_CANDIDATES if keep_candidates else 0
        )
        call(library().arms_router_apply_adapter, self._pointer(), encoded, ctypes.byref(options))

    def route(
        self,
        image: Images,
        question: Question,
        *,
        policy: Policy | str = Policy.CONFIDENCE,
        theta: SupportsFloat | None = None,
        abstain_below: SupportsFloat = 0.0,
        lambda_: SupportsFloat = 0.0,
        mu: SupportsFloat = 0.0,
        max_cost: SupportsFloat | None = None,
        max_latency: SupportsFloat | None = None,
        allowed: Iterable[str] | None = None,
        second: Router | None = None,
        exact: bool = False,
        top: int | None = None,
    ) -> Decision:
        """Choose a candidate for a question about images.

        Parameters
        ----------
        image
            None, one image, or a list or tuple of them; see `arms.images.Image`.
        question
            A text, an encoded question, or token ids.
        policy
            How to choose.
        theta
            Cascade: stay in the first pool above this confidence; `None` for the file's, or 0.5.
        abstain_below
            Choose nobody when the chosen one's confidence is below.
        lambda_
            Utility: confidence that a US dollar is worth.
        mu
            Utility: confidence that a millisecond is worth.
        max_cost, max_latency
            Leave out candidates above; `None` for no ceiling. A candidate whose value is unknown is
            an error, unless it is not allowed anyway.
        allowed
            Names to choose from; `None` for all.
        second
            Another file's router, whose candidates are the second pool, whatever the policy; `None`
            for the file's own.
        exact
            Decode JPEGs at full size, where large ones are otherwise decoded at a reduced scale.
        top
            Length of the ranked list; `None` for all of it.

        Returns
        -------
        Decision
            The chosen candidate and the ranked list.

        Raises
        ------
        NoCandidatesError
            If none is left to choose from.
        MissingValueError
            If the policy or a ceiling needs a cost or latency that a candidate lacks.
        CandidateNotFoundError
            If a name in `allowed` does not exist.
        InvalidArgumentError
            If an option is out of range, or the policy does not read it.
        ImageError, TextError, LimitExceededError, FileError
            If an image or the question cannot be used.
        """
        pointer, chosen = self._pointer(), Policy.parse(policy)
        dollar, millisecond = real(lambda_, "lambda_"), real(mu, "mu")
        for option, reader in unread(chosen, theta, dollar, millisecond):
            raise InvalidArgumentError(
                f"{option} has no effect with the policy {str(chosen)!r}: give it with "
                f"policy={str(reader)!r}"
            )
        query = _ffi.new(_ffi.Query)
        _owners = fill(
            query, (image, question), partial(self.encode_image, exact=exact), exact=exact
        )
        names = None if allowed is None else c_strings(allowed, "allowed")
        options = _ffi.new(
            _ffi.RouteOptions,
            policy=chosen.number,
            theta=0.0 if theta is None else _positive(theta, "theta", np.float32),
            abstain_below=real(abstain_below, "abstain_below"),
            lambda_=dollar,
            mu=millisecond,
            max_cost=0.0 if max_cost is None else _positive(max_cost, "max_cost"),
            max_latency=0.0 if max_latency is None else _positive(max_latency, "max_latency"),
            allowed=None if names is None else ctypes.addressof(names[0]),
            allowed_count=0 if names is None else names[1],
            second=None if second is None else Router._given(second, "second"),
        )
        most = sys.maxsize if top is None else unsigned(top, "top")
        capacity = min(most, self._ranked_capacity(second))
        while True:
            decision = _ffi.new(_ffi.Decision)
            ranked = (_ffi.Ranked * capacity)()
            if capacity:
                ranked[0].struct_size = ctypes.sizeof(_ffi.Ranked)
            call(
                library().arms_route,
                pointer,
                ctypes.byref(query),
                ctypes.byref(options),
                ctypes.byref(decision),
                ranked if capacity else None,
                capacity,
            )
            wanted = min(most, decision.ranked_count)
            if wanted <= capacity:
                return decision_of(decision, ranked[:wanted])
            capacity = wanted  # Another thread added candidates in between.

    def _ranked_capacity(self, second: Router | None) -> int:
        return len(self.candidates) + (0 if second is None else len(second.candidates))

    def score(
        self,
        queries: Iterable[tuple[Images, Question]],
        candidates: Iterable[str] | None = None,
        *,
        output: Output | str = Output.CONFIDENCE,
        out: NDArray[np.float32] | None = None,
        exact: bool = False,
    ) -> NDArray[np.float32]:
        """Score queries against candidates.

        An interrupt (Ctrl-C) is raised when the call ends.

        Parameters
        ----------
        queries
            Pairs of image and question, as `route` takes them.
        candidates
            Names, one a column; `None` for all enabled ones, in the order of `candidates`.
        output
            Confidences c_ij or logits t_ij.
        out
            Where to write, float32 and C-contiguous ``[len(queries), columns]``.
        exact
            Decode JPEGs at full size.

        Returns
        -------
        ndarray
            float32 ``[len(queries), columns]``; `out` if it was given.

        Raises
        ------
        InvalidArgumentError
            If `out` does not fit.
        CandidateNotFoundError
            If a name does not exist.
        """
        pointer, scoring = self._pointer(), library().arms_score
        names = None if candidates is None else c_strings(candidates, "candidates")
        options = _ffi.new(
            _ffi.ScoreOptions,
            output=Output.parse(output).number,
            names=None if names is None else ctypes.addressof(names[0]),
            name_count=0 if names is None else names[1],
        )
        asked = [
            parts(query, Query._fields, f"queries[{index}]") for index, query in enumerate(queries)
        ]
        entries = _ffi.new_array(_ffi.Query, max(1, len(asked)))
        encode = partial(self.encode_image, exact=exact)
        owners = []
        for index, (image, question) in enumerate(asked):
            try:
                owners.append(fill(entries[index], (image, question), encode, exact=exact))
            except Exception as error:
                error.add_note(f"this is queries[{index}]")
                raise
        columns = ctypes.c_size_t()
        arguments = (pointer, entries, len(asked), ctypes.byref(options))
        call(scoring, *arguments, None, 0, ctypes.byref(columns), None)
        while True:
            shape = (len(asked), columns.value)
            scores = np.empty(shape, np.float32) if out is None else _checked(out, shape)
            try:
                call(scoring, *arguments, floats(scores), scores.size, ctypes.byref(columns), None)
            except BufferTooSmallError:
                continue  # Another thread added candidates in between.
            return _rows(scores, columns.value)

    def embed_query(
        self, image: Images, question: Question, *, router: int = 0, exact: bool = False
    ) -> NDArray[np.float32]:
        """Return the fused vector of a query: what the candidates are compared with (Eq. 5).

        Parameters
        ----------
        image, question
            As `route` takes them.
        router
            By which router of the file: 0, or 1 for the second one of a cascade.
        exact
            Decode JPEGs at full size.

        Returns
        -------
        ndarray
            z, float32 ``[shared_width]``, of length 1.

        Raises
        ------
        CandidateNotFoundError
            If the file has no second router.
        ImageError, TextError, LimitExceededError, FileError
            If an image or the question cannot be used.
        """
        query = _ffi.new(_ffi.Query)
        _owners = fill(
            query, (image, question), partial(self.encode_image, exact=exact), exact=exact
        )
        return filled(
            library().arms_query_embedding,
            self._pointer(),
            ctypes.byref(query),
            unsigned(router, "router"),
        )

    def encode_question(self, question: str) -> EncodedQuestion:
        """Encode a question once, to route it with many images.

        Parameters
        ----------
        question
            The text.

        Returns
        -------
        EncodedQuestion
            Independent of this router's life.

        Raises
        ------
        TextError
            If the text has no UTF-8 encoding.
        """
        return EncodedQuestion(self._pointer(), utf8(question, "the question"))

    def encode_image(self, image: Image, *, exact: bool = False) -> EncodedImage:
        """Decode, prepare and encode an image once, to ask many questions about it.

        Parameters
        ----------
        image
            See `arms.images.Image`.
        exact
            Decode a JPEG at full size.

        Returns
        -------
        EncodedImage
            Independent of this router's life.

        Raises
        ------
        ImageError, LimitExceededError, FileError
            If the image cannot be used.
        """
        described, _owner = image_input(image, exact=exact)
        return EncodedImage(self._pointer(), described)

    def prepare_image(self, image: Image, *, exact: bool = False) -> NDArray[np.float32]:
        """Decode, resize, crop and normalise an image.

        Parameters
        ----------
        image
            See `arms.images.Image`.
        exact
            Decode a JPEG at full size.

        Returns
        -------
        ndarray
            float32 ``[3, image_size, image_size]``, which `route` and `encode_image` take.

        Raises
        ------
        ImageError, LimitExceededError, FileError
            If the image cannot be used.
        """
        described, _owner = image_input(image, exact=exact)
        while True:
            size = self.info.image_size
            # Never empty: a NULL buffer would ask for the number alone.
            pixels = np.empty((3, max(size, 1), max(size, 1)), np.float32)
            required = ctypes.c_size_t()
            try:
                call(
                    library().arms_image_prepare,
                    self._pointer(),
                    ctypes.byref(described),
                    floats(pixels),
                    pixels.size,
                    ctypes.byref(required),
                )
            except BufferTooSmallError:
                continue  # Another thread reloaded in between.
            if required.value == pixels.size:
                return pixels

    def tokenize(self, text: str) -> NDArray[np.int32]:
        """Return the token ids of a text as the text encoder reads it.

        Parameters
        ----------
        text
            The text.

        Returns
        -------
        ndarray
            int32 ``[n]``, [CLS] and [SEP] included, truncated to ``info.max_question_tokens``.

        Raises
        ------
        TextError
            If the text has no UTF-8 encoding.
        """
        encoded = utf8(text, "the text")
        # A token beside [CLS] and [SEP] has a byte of the text at least; else the library says so.
        capacity = len(encoded) + 2
        count = ctypes.c_size_t()
        while True:
            tokens = np.empty(capacity, np.int32)
            try:
                call(
                    library().arms_text_tokenize,
                    self._pointer(),
                    encoded,
                    len(encoded),
                    tokens.ctypes.data_as(ctypes.POINTER(ctypes.c_int32)),
                    capacity,
                    ctypes.byref(count),
                    None,
                )
            except BufferTooSmallError:
                capacity = count.value
                continue
            return tokens[: count.value].copy()

    def __repr__(self) -> str:
        if self.closed:
            return f"Router({self.path!r}, closed)"
        info = self.info
        return (
            f"Router({self.path!r}, fusion={str(info.fusion)!r}, head={str(info.head)!r}, "
            f"candidates={info.candidate_count}, threads={info.threads})"
        )


def _limit(value: int, what: str) -> int:
    """Check a limit; in C 0 would mean the default."""
    if value == 0:
        raise InvalidArgumentError(f"{what} must be at least 1, not 0")
    return unsigned(value, what, 64)


def _positive(value: SupportsFloat, what: str, kind: type[np.floating] = np.float64) -> float:
    """Turn 0, which is the default in C, into the smallest positive number of its type.

    So is one that is 0 there, as it is smaller still.
    """
    smallest = float(np.finfo(kind).smallest_subnormal)
    number = real(value, what)
    return smallest if abs(number) < smallest else number


def _checked(out: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out is a {type(out).__name__}: expected a numpy array")
    fits = out.dtype == np.float32 and out.flags.c_contiguous and out.flags.writeable
    if out.shape != shape or not fits:
        raise InvalidArgumentError(
            f"out is {out.dtype} {list(out.shape)}: expected a writable C-contiguous float32 array "
            f"{list(shape)}"
        )
    return out


def _rows(scores: NDArray[np.float32], columns: int) -> NDArray[np.float32]:
    """Leave out the columns of candidates that another thread removed in between."""
    rows = len(scores)
    return (
        scores
        if scores.shape[1] == columns
        else scores.ravel()[: rows * columns].reshape(rows, columns)
    )
