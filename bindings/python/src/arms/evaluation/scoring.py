"""What a router makes of a set of queries: confidences, gate and vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from arms.encoded import embedding_width
from arms.errors import InvalidArgumentError
from arms.evaluation.outcomes import Booleans, Floats, Outcomes
from arms.images import Image, flattened

if TYPE_CHECKING:
    from arms.encoded import EncodedImage, EncodedQuestion
    from arms.router import Router

__all__ = ["Scored", "common_models", "priced_by", "routable", "score_queries"]


@dataclass(frozen=True, eq=False)
class Scored:
    """A router's view of queries.

    Parameters
    ----------
    confidences
        c_ij, ``[queries, models]``.
    gate
        p_i of the first router, ``[queries, experts]``.
    questions
        q_i, ``[queries, d_t]``.
    images
        The mean g_i of the query's images, ``[queries, d_v]``, of the first router that has an
        image encoder; zeros without an image, and ``[queries, 0]`` if no router has one.
    fused
        z of the first router: question and images behind its experts, ``[queries, r]``.
    second_pool
        Which models are of the second router, ``[models]``.
    """

    confidences: Floats
    gate: Floats
    questions: Floats
    images: Floats
    fused: Floats
    second_pool: Booleans


def common_models(router: Router, outcomes: Outcomes) -> list[str]:
    """Return the enabled candidates that the data knows, in the router's order.

    Raises
    ------
    InvalidArgumentError
        If there is none.
    """
    names = [info.name for info in router.candidates.list() if info.enabled]
    common = [name for name in dict.fromkeys(names) if name in outcomes.models]
    if not common:
        raise InvalidArgumentError(
            f"the data and {router.path} have no model in common: the data has "
            f"{', '.join(outcomes.models[:4])}, the router {', '.join(names[:4])}"
        )
    return common


def priced_by(router: Router, outcomes: Outcomes) -> Outcomes:
    """Fill costs and latencies that the data does not know with the candidates' own."""
    infos = {info.name: info for info in router.candidates.list()}

    def filled(values: Floats, field: str) -> Floats:
        known = [getattr(infos.get(name), field, None) for name in outcomes.models]
        own = np.array([np.nan if value is None else value for value in known], np.float64)
        return np.where(np.isnan(values), own, values)

    return outcomes.replaced(
        costs=filled(outcomes.costs, "cost"), latencies=filled(outcomes.latencies, "latency")
    )


def routable(router: Router, outcomes: Outcomes) -> Booleans:
    """Tell which queries have no more images than the router and some model take ``[queries]``.

    A gateway would be told of the others that no candidate is left.
    """
    taken = [router.candidates[name].max_images for name in outcomes.models]
    limit = min(router.info.max_images, max(np.inf if count is None else count for count in taken))
    counts = [len(_images(outcomes, row)) for row in range(len(outcomes))]
    return np.array(counts, np.int64) <= limit


def score_queries(
    router: Router,
    outcomes: Outcomes,
    *,
    exact: bool = False,
    progress: Callable[[int], object] = lambda _: None,
) -> Scored:
    """Encode every query once, score it, and keep what the baselines and plots need.

    Parameters
    ----------
    router
        Has all models of `outcomes` as candidates, enabled.
    outcomes
        With questions, and images where there are any; all of them `routable`.
    exact
        Decode JPEGs at full size.
    progress
        Called with the number of queries done, after each.

    Raises
    ------
    InvalidArgumentError
        If the questions are missing, or a query is not `routable`; the message names it.
    ArmsError
        If an image cannot be used; the message names it.
    """
    if len(outcomes.questions) != len(outcomes):
        raise InvalidArgumentError("the outcomes have no questions: a router cannot score them")
    fits = routable(router, outcomes)
    if not fits.all():
        raise InvalidArgumentError(
            f"query {str(outcomes.ids[~fits][0])!r} has more images than any model takes: leave it "
            "out"
        )
    info, names = router.info, list(outcomes.models)
    scored = Scored(
        np.empty(outcomes.scores_shape),
        np.empty((len(outcomes), info.expert_count)),
        np.empty((len(outcomes), info.text_width)),
        np.zeros((len(outcomes), embedding_width(router))),
        np.empty((len(outcomes), info.shared_width)),
        np.array([router.candidates[name].router == 1 for name in names]),
    )
    known: dict[str, EncodedQuestion] = {}
    for row, text in enumerate(outcomes.questions):
        # Variants of a question often share its text: encode that once.
        question = known.get(text)
        if question is None:
            question = known[text] = router.encode_question(text)
        # Also when the first router does not see them: the second one may.
        images = _encoded(router, outcomes, row, exact)
        scored.confidences[row] = router.score([(images, question)], names)[0]
        scored.gate[row] = router.route(images, question, top=1).gate
        scored.fused[row] = router.embed_query(images, question)
        scored.questions[row] = question.embedding
        if images:
            scored.images[row] = np.mean([image.embedding for image in images], axis=0)
        progress(row + 1)
    return scored


def _encoded(router: Router, outcomes: Outcomes, row: int, exact: bool) -> list[EncodedImage]:
    return [router.encode_image(image, exact=exact) for image in _images(outcomes, row)]


def _images(outcomes: Outcomes, row: int) -> list[Image]:
    return flattened(outcomes.images[row] if len(outcomes.images) else None)
