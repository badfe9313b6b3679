"""What routing returns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arms import _ffi

__all__ = ["Decision", "RankedCandidate"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RankedCandidate:
    """An entry of the ranked list.

    Parameters
    ----------
    name
        The candidate.
    confidence
        c_ij, calibrated: how probable it is that the candidate answers correctly.
    logit
        t_ij, not calibrated.
    utility
        What the list is sorted by.
    label
        Whether the confidence is above 0.5.
    router
        0 or 1: whose pool the candidate is in.
    """

    name: str
    confidence: float
    logit: float
    utility: float
    label: bool
    router: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False, repr=False)
class Decision:
    """What `Router.route` chose, and why.

    Parameters
    ----------
    name
        The chosen candidate; `None` when the router abstained.
    confidence
        c_ij of the chosen one; of the best one when the router abstained.
    utility
        What the policy maximised.
    abstained
        Whether no candidate was good enough.
    ranked
        All candidates that could be chosen, best first: the chain of fallbacks. Shorter than
        `ranked_count` where `Router.route` was asked for the `top` ones.
    ranked_count
        Length of the whole ranked list.
    gate
        p_i, ``[expert_count]``: the gate's probabilities.
    second_gate
        The same of the second router; `None` when it was not computed.
    second_router
        Whether the second router's pool was computed.
    question_tokens
        Tokens read, [CLS] and [SEP] included.
    question_tokens_total
        Tokens before truncation.
    truncated
        Whether the question had more tokens than the encoder takes.
    images_ignored
        Whether the query has images, and a router that took part has no image encoder.
    generation
        Generation of the weights and candidates that decided.
    """

    name: str | None
    confidence: float
    utility: float
    abstained: bool
    ranked: tuple[RankedCandidate, ...]
    ranked_count: int
    gate: NDArray[np.float32]
    second_gate: NDArray[np.float32] | None
    second_router: bool
    question_tokens: int
    question_tokens_total: int
    truncated: bool
    images_ignored: bool
    generation: int

    def __repr__(self) -> str:
        chosen = "abstained" if self.name is None else f"name={self.name!r}"
        return f"Decision({chosen}, confidence={self.confidence:.3f}, ranked={self.ranked_count})"


def decision_of(decision: _ffi.Decision, ranked: Iterable[_ffi.Ranked]) -> Decision:
    """Copy a decision out of its C structs."""
    abstained = bool(decision.flags & _ffi.DECISION_ABSTAINED)
    second_count = decision.second_expert_count
    second_gate = np.array(decision.second_gate[:second_count], np.float32)
    return Decision(
        name=None if abstained else decision.name.decode(),
        confidence=decision.confidence,
        utility=decision.utility,
        abstained=abstained,
        ranked=tuple(
            RankedCandidate(
                name=entry.name.decode(),
                confidence=entry.confidence,
                logit=entry.logit,
                utility=entry.utility,
                label=bool(entry.label),
                router=entry.router,
            )
            for entry in ranked
        ),
        ranked_count=decision.ranked_count,
        gate=np.array(decision.gate[: decision.expert_count], np.float32),
        second_gate=second_gate if second_count else None,
        second_router=bool(decision.flags & _ffi.DECISION_SECOND_ROUTER),
        question_tokens=decision.question_tokens,
        question_tokens_total=decision.question_tokens_total,
        truncated=bool(decision.flags & _ffi.DECISION_QUESTION_TRUNCATED),
        images_ignored=bool(decision.flags & _ffi.DECISION_IMAGES_IGNORED),
        generation=decision.generation,
    )
