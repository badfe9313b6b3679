"""The candidates that a run adds to a router."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from arms.candidate_file import read_candidates
from arms.candidates import Candidate
from arms.errors import InvalidArgumentError
from arms.router import Router


def add_missing(
    router: Router, models: Iterable[str], *, candidates: Path | None, name_only: bool
) -> None:
    """Add the candidates of these models that a router does not have.

    Raises
    ------
    InvalidArgumentError
        If there is no profile of one.
    """
    missing = [name for name in models if name not in router.candidates]
    if missing:
        router.candidates.add(profiled(missing, candidates=candidates, name_only=name_only))


def profiled(names: Iterable[str], *, candidates: Path | None, name_only: bool) -> list[Candidate]:
    """Return candidates with their profiles.

    Parameters
    ----------
    names
        The candidates.
    candidates
        The file of their profiles; `None` if there is none.
    name_only
        Describe them by their names alone; only costs, latencies and limits are read then.

    Raises
    ------
    InvalidArgumentError
        If there is no profile of one.
    """
    wanted = [*names]
    known: dict[str, Candidate] = {}
    if candidates is not None:
        known = {one.name: one for one in read_candidates(candidates, 0)}
    if name_only:
        return [_named(known.get(name, Candidate(name=name))) for name in wanted]
    absent = [name for name in wanted if name not in known]
    if absent:
        raise InvalidArgumentError(
            f"{candidates or 'candidates'}: no profile of {', '.join(absent)}: give a file that "
            "has one with --candidates, describe them by --name-only, or leave them out"
        )
    return [known[name] for name in wanted]


def _named(candidate: Candidate) -> Candidate:
    return replace(
        candidate,
        parameters=None,
        architecture=None,
        language_model=None,
        vision_model=None,
        embedding=None,
        profile=candidate.name,
    )
