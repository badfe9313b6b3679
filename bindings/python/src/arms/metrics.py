"""What a router has done: counters and histograms of times."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from functools import cache

from arms import _ffi
from arms._library import library
from arms.errors import Status
from arms.options import NamedChoice

__all__ = ["Histogram", "RouterMetrics", "Stage"]


class Stage(NamedChoice):
    """What a router takes the time of: ``enum arms_stage``."""

    ROUTE = "route", 0
    """A whole route that succeeded."""
    TOKENIZE = "tokenize", 1
    """The tokens of the texts that a call encodes together."""
    DECODE = "decode", 2
    """Decoding and preparing one image."""
    TEXT = "text", 3
    """The text encoder, for those texts."""
    IMAGE = "image", 4
    """The image encoder, for up to eight images."""
    HEAD = "head", 5
    """Gate, experts and classifier, for queries that are answered together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Histogram:
    """How often times of each length were seen.

    Parameters
    ----------
    count
        Times that were seen.
    seconds
        Their sum.
    bounds
        Upper bounds of the buckets in seconds, the last one infinite.
    buckets
        Times above the bound of the bucket before, and not above its own.
    """

    count: int
    seconds: float
    # Metrics that are printed would be five thousand characters of these.
    bounds: tuple[float, ...] = field(repr=False)
    buckets: tuple[int, ...] = field(repr=False)

    @property
    def cumulative(self) -> tuple[int, ...]:
        """Times not above each bound, as Prometheus counts them."""
        return tuple(itertools.accumulate(self.buckets))


@dataclass(frozen=True, kw_only=True, slots=True)
class RouterMetrics:
    """What a router has done since it was opened; every number only grows.

    Parameters
    ----------
    routes
        Decisions made.
    scores
        Calls of `Router.score` that succeeded.
    scored_queries
        Queries that these scored.
    abstentions, second_router, truncated_questions, ignored_images
        Decisions of that kind.
    reloads
        Times that the weights were replaced.
    reused_questions, reused_images
        Questions and images that came encoded, of queries that were routed or scored: hits of the
        caller's own cache.
    errors
        Routes, scores, encodings and reloads that failed, by kind; kinds without any are left out.
    stages
        Times, those of scoring, of encoding and of the profiles of new candidates included.
    """

    routes: int
    scores: int
    scored_queries: int
    abstentions: int
    second_router: int
    truncated_questions: int
    ignored_images: int
    reused_questions: int
    reused_images: int
    reloads: int
    errors: dict[Status, int]
    stages: dict[Stage, Histogram]


@cache
def _bounds() -> tuple[float, ...]:
    nanoseconds = [library().arms_histogram_bound(i) for i in range(_ffi.HISTOGRAM_BUCKETS - 1)]
    return (*(bound / 1e9 for bound in nanoseconds), float("inf"))


def metrics_of(metrics: _ffi.RouterCounters) -> RouterMetrics:
    """Copy metrics out of their C struct."""
    return RouterMetrics(
        routes=metrics.routes,
        scores=metrics.scores,
        scored_queries=metrics.scored_queries,
        abstentions=metrics.abstentions,
        second_router=metrics.second_router,
        truncated_questions=metrics.truncated_questions,
        ignored_images=metrics.ignored_images,
        reused_questions=metrics.reused_questions,
        reused_images=metrics.reused_images,
        reloads=metrics.reloads,
        errors={status: n for status in Status if (n := metrics.errors[status])},
        stages={
            stage: Histogram(
                count=histogram.count,
                seconds=histogram.nanoseconds / 1e9,
                bounds=_bounds(),
                buckets=tuple(histogram.buckets),
            )
            for stage in Stage
            if stage.number < metrics.stage_count
            for histogram in [metrics.stages[stage.number]]
        },
    )
