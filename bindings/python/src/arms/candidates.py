"""The pool of candidates: what they are, and the view of a router's pool."""

from __future__ import annotations

import ctypes
from collections.abc import ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arms import _ffi
from arms._library import call, library
from arms._marshal import ABOVE_ZERO, c_string, c_strings, filled, real, unsigned, vanishes
from arms.errors import (
    BufferTooSmallError,
    CandidateNotFoundError,
    InvalidArgumentError,
)

if TYPE_CHECKING:
    from arms.router import Router

__all__ = ["Candidate", "CandidateInfo", "Candidates"]

_PROFILE_FIELDS = ("parameters", "architecture", "language_model", "vision_model", "profile")
_KEPT = {
    "enabled": _ffi.CANDIDATE_KEEP_ENABLED,
    "cost": _ffi.CANDIDATE_KEEP_COST,
    "latency": _ffi.CANDIDATE_KEEP_LATENCY,
    "temperature": _ffi.CANDIDATE_KEEP_TEMPERATURE,
    "bias": _ffi.CANDIDATE_KEEP_BIAS,
    "max_images": _ffi.CANDIDATE_KEEP_MAX_IMAGES,
}
_UNCHANGED: Any = object()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Candidate:
    """A vision-language model that can be chosen.

    It is described by a profile, a sentence that the text encoder embeds. The library makes the
    sentence from the structured fields, or takes `profile`, or is given the `embedding` itself.

    Parameters
    ----------
    name
        Unique in its router; 1 to 95 bytes of UTF-8.
    parameters
        ``"7B"``.
    architecture
        ``"ViT, MLP projector, decoder"``.
    language_model
        ``"Qwen2-7B"``.
    vision_model
        ``"ViT 675M"``.
    profile
        The whole sentence, in place of the four fields above.
    embedding
        ``[text_width]``, in place of embedding the profile.
    cost
        US dollars a query; `None` when unknown.
    latency
        Milliseconds; `None` when unknown.
    temperature, bias
        T_j and b_j of the calibration.
    max_images
        Images it takes at most; 0 for none, `None` for any number.
    enabled
        A disabled candidate is kept, but never chosen or ranked, and scored only when named.
    router
        0 for the first router's pool, 1 for the second's.
    """

    name: str
    parameters: str | None = None
    architecture: str | None = None
    language_model: str | None = None
    vision_model: str | None = None
    profile: str | None = None
    embedding: ArrayLike | None = field(default=None, repr=False)
    cost: float | None = None
    latency: float | None = None
    temperature: float = 1.0
    bias: float = 0.0
    max_images: int | None = None
    enabled: bool = True
    router: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class CandidateInfo:
    """A candidate as it stands in a router.

    Parameters
    ----------
    name
        Unique in its router.
    cost
        US dollars a query; `None` when unknown.
    latency
        Milliseconds; `None` when unknown.
    temperature, bias
        T_j and b_j of the calibration.
    beta
        The learned offset beta_j of the scaled head.
    max_images
        Images it takes at most; 0 for none, `None` for any number.
    enabled
        Whether it can be chosen.
    router
        0 for the first router's pool, 1 for the second's.
    chosen
        Routes that chose it since it was added, or the router opened. Two that differ in nothing
        else are equal.
    """

    name: str
    cost: float | None = None
    latency: float | None = None
    temperature: float = 1.0
    bias: float = 0.0
    beta: float = 0.0
    max_images: int | None = None
    enabled: bool = True
    router: int = 0
    chosen: int = field(default=0, compare=False)


class Candidates(Mapping[str, CandidateInfo]):
    """The candidates of a router, by name; from `Router.candidates`.

    A mapping in the order in which they were added, the first router's before the second's. It
    reads from the library each time, so that it is never out of date; keep a `list` where one
    state is to be read several times. Every change takes effect at once and as a whole: calls in
    flight on other threads finish on the candidates with which they began.

    Parameters
    ----------
    router
        The router whose candidates these are.
    """

    def __init__(self, router: Router) -> None:
        self._router = router

    def list(self) -> list[CandidateInfo]:
        """Return all candidates of one generation, disabled ones included."""
        pointer = self._router._pointer()
        count = ctypes.c_size_t()
        listing = library().arms_candidates_list
        call(listing, pointer, None, 0, ctypes.byref(count), None)
        while count.value:
            entries = (_ffi.CandidateInfo * count.value)()
            entries[0].struct_size = ctypes.sizeof(_ffi.CandidateInfo)
            try:
                call(listing, pointer, entries, len(entries), ctypes.byref(count), None)
            except BufferTooSmallError:
                continue  # Another thread added some in between; `count` is the new number.
            return [_info(entry) for entry in entries[: count.value]]
        return []

    def __getitem__(self, name: str) -> CandidateInfo:
        for info in self.list():
            if info.name == name:
                return info
        raise CandidateNotFoundError(
            f"the router has no candidate {name!r}: it has {_enumerated(self)}"
        )

    def __contains__(self, name: object) -> bool:
        return any(info.name == name for info in self.list())

    def __iter__(self) -> Iterator[str]:
        return iter([info.name for info in self.list()])

    def items(self) -> ItemsView[str, CandidateInfo]:
        """Return a view of names and candidates, of one generation whenever it is iterated."""
        return _Items(self)

    def values(self) -> ValuesView[CandidateInfo]:
        """Return a view of the candidates, of one generation whenever it is iterated."""
        return _Values(self)

    def __len__(self) -> int:
        count = ctypes.c_size_t()
        call(
            library().arms_candidates_list,
            self._router._pointer(),
            None,
            0,
            ctypes.byref(count),
            None,
        )
        return count.value

    def __repr__(self) -> str:
        return "Candidates(closed)" if self._router.closed else f"Candidates({_enumerated(self)})"

    def add(
        self,
        candidates: Candidate | Iterable[Candidate],
        *,
        embeddings: NDArray[np.floating[Any]] | None = None,
    ) -> None:
        """Add candidates, all or none.

        Parameters
        ----------
        candidates
            One, or several.
        embeddings
            ``[n, text_width]``, one row a candidate, in place of embedding their profiles. A
            float32 matrix with contiguous rows is read where it lies; any other is converted.

        Raises
        ------
        CandidateExistsError
            If the router has one of that name, or the name is given twice.
        NotFiniteError
            If a number is NaN or infinite.
        InvalidArgumentError
            If a candidate is not well-formed, or `embeddings` has the wrong shape.
        """
        added = [candidates] if isinstance(candidates, Candidate) else [*candidates]
        for index, candidate in enumerate(added):
            if not isinstance(candidate, Candidate):
                raise TypeError(
                    f"candidates[{index}] is a {type(candidate).__name__}: expected a Candidate"
                )
        rows = _rows(embeddings, added)
        entries = (_ffi.Candidate * max(1, len(added)))()
        for entry, candidate, row in zip(entries, added, rows, strict=False):
            _fill(entry, candidate)
            _profile(entry, candidate)
            entry.router = unsigned(candidate.router, "router")
            if row is not None:
                entry.embedding = row.ctypes.data
                entry.embedding_count = row.size
        call(library().arms_candidates_add, self._router._pointer(), entries, len(added))

    def update(
        self,
        name: str,
        *,
        cost: float | None = _UNCHANGED,
        latency: float | None = _UNCHANGED,
        temperature: float = _UNCHANGED,
        bias: float = _UNCHANGED,
        max_images: int | None = _UNCHANGED,
        enabled: bool = _UNCHANGED,
    ) -> CandidateInfo:
        """Change what is given of one candidate, and leave the rest.

        The profile cannot be changed: a candidate with another profile is another one.

        Parameters
        ----------
        name
            The candidate.
        cost, latency, temperature, bias, max_images, enabled
            As of `Candidate`.

        Returns
        -------
        CandidateInfo
            What it is now.

        Raises
        ------
        CandidateNotFoundError
            If there is none of that name.
        """
        given = {
            "cost": cost,
            "latency": latency,
            "temperature": temperature,
            "bias": bias,
            "max_images": max_images,
            "enabled": enabled,
        }
        changes: dict[str, Any] = {k: v for k, v in given.items() if v is not _UNCHANGED}
        entries = (_ffi.Candidate * 1)()
        _fill(entries[0], CandidateInfo(name=name, **changes))
        # The library keeps the rest: read here, it could be out of date when it is written.
        for field_name, flag in _KEPT.items():
            if field_name not in changes:
                entries[0].flags |= flag
        self._update(entries)
        return self[name]

    def update_all(self, candidates: Iterable[CandidateInfo]) -> None:
        """Replace cost, latency, calibration, image limit and state of many, all or none.

        Parameters
        ----------
        candidates
            Entries of `list`, changed with `dataclasses.replace`. `beta` and `router` are read
            only and left as they are. All else is written, also what has changed since it was
            listed: `update` changes nothing but what it is given.

        Raises
        ------
        CandidateNotFoundError
            If there is none of a name.
        """
        listed = [*candidates]
        entries = (_ffi.Candidate * len(listed))()
        for entry, candidate in zip(entries, listed, strict=True):
            _fill(entry, candidate)
        self._update(entries)

    def _update(self, entries: ctypes.Array[_ffi.Candidate]) -> None:
        call(library().arms_candidates_update, self._router._pointer(), entries, len(entries))

    def remove(self, *names: str) -> None:
        """Remove candidates by name, all or none.

        Raises
        ------
        CandidateNotFoundError
            If there is none of a name.
        """
        call(library().arms_candidates_remove, self._router._pointer(), *c_strings(names, "name"))

    def enable(self, *names: str) -> None:
        """Enable candidates by name, all or none.

        Raises
        ------
        CandidateNotFoundError
            If there is none of a name.
        """
        self._enable(names, 1)

    def disable(self, *names: str) -> None:
        """Disable candidates by name, all or none: they are kept, but never chosen.

        Raises
        ------
        CandidateNotFoundError
            If there is none of a name.
        """
        self._enable(names, 0)

    def _enable(self, names: Sequence[str], enabled: int) -> None:
        call(
            library().arms_candidates_enable,
            self._router._pointer(),
            *c_strings(names, "name"),
            enabled,
        )

    def profile(self, name: str) -> str:
        """Return a candidate's profile sentence; empty if only an embedding was given.

        Raises
        ------
        CandidateNotFoundError
            If there is none of that name.
        """
        pointer, encoded = self._router._pointer(), c_string(name, "name")
        reading = library().arms_candidate_profile
        required = ctypes.c_size_t()
        call(reading, pointer, encoded, None, 0, ctypes.byref(required))
        while True:
            buffer = ctypes.create_string_buffer(max(1, required.value))
            try:
                call(reading, pointer, encoded, buffer, len(buffer), ctypes.byref(required))
            except BufferTooSmallError:
                continue  # Another thread gave the name to a longer profile in between.
            return buffer.value.decode()

    def embedding(self, name: str) -> NDArray[np.float32]:
        """Return a candidate's profile embedding m_j, ``[text_width]``.

        Raises
        ------
        CandidateNotFoundError
            If there is none of that name.
        """
        return filled(
            library().arms_candidate_embedding, self._router._pointer(), c_string(name, "name")
        )


# The views of `Mapping` look up one name after the other, which another thread may have removed.


class _Items(ItemsView[str, CandidateInfo]):
    _mapping: Candidates

    def __iter__(self) -> Iterator[tuple[str, CandidateInfo]]:
        return iter([(info.name, info) for info in self._mapping.list()])


class _Values(ValuesView[CandidateInfo]):
    _mapping: Candidates

    def __contains__(self, value: object) -> bool:
        return value in self._mapping.list()

    def __iter__(self) -> Iterator[CandidateInfo]:
        return iter(self._mapping.list())


def _info(entry: _ffi.CandidateInfo) -> CandidateInfo:
    return CandidateInfo(
        name=entry.name.decode(),
        cost=entry.cost if entry.flags & _ffi.CANDIDATE_HAS_COST else None,
        latency=entry.latency if entry.flags & _ffi.CANDIDATE_HAS_LATENCY else None,
        temperature=entry.temperature,
        bias=entry.bias,
        beta=entry.beta,
        max_images={0: None, -1: 0}.get(entry.max_images, entry.max_images),
        enabled=not entry.flags & _ffi.CANDIDATE_DISABLED,
        router=entry.router,
        chosen=entry.chosen,
    )


def _fill(entry: _ffi.Candidate, candidate: Candidate | CandidateInfo) -> None:
    """Set what adding and updating have in common."""
    entry.struct_size = ctypes.sizeof(_ffi.Candidate)
    entry.name = c_string(candidate.name, "name")
    if not candidate.enabled:
        entry.flags |= _ffi.CANDIDATE_DISABLED
    if candidate.cost is not None:
        entry.flags |= _ffi.CANDIDATE_HAS_COST
        entry.cost = real(candidate.cost, f"cost of {candidate.name!r}")
    if candidate.latency is not None:
        entry.flags |= _ffi.CANDIDATE_HAS_LATENCY
        entry.latency = real(candidate.latency, f"latency of {candidate.name!r}")
    # 0 would mean the default in C; this refuses NaN too.
    temperature = real(candidate.temperature, f"temperature of {candidate.name!r}")
    if not temperature > 0 or vanishes(temperature):
        raise InvalidArgumentError(
            f"temperature of {candidate.name!r} is {candidate.temperature}: {ABOVE_ZERO}"
        )
    entry.temperature = temperature
    entry.bias = real(candidate.bias, f"bias of {candidate.name!r}")
    if candidate.max_images is not None:
        images = unsigned(candidate.max_images, f"max_images of {candidate.name!r}", 31)
        entry.max_images = images or -1


def _profile(entry: _ffi.Candidate, candidate: Candidate) -> None:
    for name in _PROFILE_FIELDS:
        text = getattr(candidate, name)
        if text is not None:
            setattr(entry, name, c_string(text, f"{name} of {candidate.name!r}"))


def _rows(
    embeddings: NDArray[np.floating[Any]] | None, candidates: Sequence[Candidate]
) -> list[NDArray[np.float32] | None]:
    """Return each candidate's embedding, or `None`; the arrays own what they point to."""
    own = [candidate.name for candidate in candidates if candidate.embedding is not None]
    if embeddings is None:
        return [
            None
            if candidate.embedding is None
            else np.ascontiguousarray(candidate.embedding, np.float32).reshape(-1)
            for candidate in candidates
        ]
    if own:
        raise InvalidArgumentError(f"candidate {own[0]!r} has an embedding of its own: give one")
    matrix = np.asarray(embeddings, np.float32)
    if matrix.ndim != 2 or len(matrix) != len(candidates):
        raise InvalidArgumentError(
            f"embeddings has shape {list(matrix.shape)}: expected [{len(candidates)}, text_width]"
        )
    if matrix.strides[1] != matrix.itemsize:
        matrix = np.ascontiguousarray(matrix)
    return list(matrix)


def _enumerated(names: Iterable[str], limit: int = 8) -> str:
    listed = [*names]
    shown = ", ".join(repr(name) for name in listed[:limit])
    return shown + (f" and {len(listed) - limit} more" if len(listed) > limit else "") or "none"


CANDIDATE_FIELDS = frozenset(entry.name for entry in fields(Candidate))
"""The names of the fields of `Candidate`."""
