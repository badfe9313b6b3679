"""Standard errors by a bootstrap over groups.

Queries of a group are variants of one seed and succeed or fail together, so it is groups that are
drawn with replacement, not queries (the cluster bootstrap; Davison and Hinkley 1997, section 3.8).
Every statistic here is a function of sums over queries, and a replicate of a sum is the sum of the
groups' sums, each times how often the group was drawn: one product of two matrices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from arms.errors import InvalidArgumentError
from arms.evaluation.outcomes import Floats, Texts

__all__ = ["Bootstrap", "Estimate", "Interval"]

_CHUNK = 4_194_304  # Draws held at once: 32 MB.
_LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value with its standard error; `None` where it is not defined.

    Parameters
    ----------
    value
        On the sample itself.
    error
        The standard deviation over the bootstrap's replicates; `None` with one group, which tells
        nothing of what others would give.
    """

    value: float | None
    error: float | None


@dataclass(frozen=True)
class Interval:
    """The middle 95 % of a bootstrap's replicates (the percentile interval)."""

    low: float
    high: float


class Bootstrap:
    """Draws of groups with replacement, the same for every statistic: differences are paired.

    Parameters
    ----------
    groups
        ``[queries]``: the group of each query.
    replicates
        How often to draw.
    seed
        Same seed, same groups: same draws.

    Raises
    ------
    InvalidArgumentError
        If there is no query, or `replicates` is less than 2.
    """

    def __init__(self, groups: Texts, *, replicates: int = 1000, seed: int = 0) -> None:
        if len(groups) == 0:
            raise InvalidArgumentError("groups is empty: a bootstrap needs at least one query")
        if replicates < 2:
            raise InvalidArgumentError(f"replicates must be at least 2, not {replicates}")
        names, self._group = np.unique(groups, return_inverse=True)
        self.group_count = len(names)
        """Groups that are drawn from."""
        self.replicates = replicates
        """How often is drawn."""
        self.seed = seed
        """Of the draws."""

    def _draws(self) -> Iterator[Floats]:
        """Yield ``[some, groups]``: how often each group was drawn, in pieces that fit memory."""
        generator = np.random.default_rng(self.seed)
        share = np.full(self.group_count, 1 / self.group_count)
        step = max(1, _CHUNK // self.group_count)
        for start in range(0, self.replicates, step):
            count = min(step, self.replicates - start)
            yield generator.multinomial(self.group_count, share, count).astype(np.float64)

    def sums(self, values: Floats) -> Floats:
        """Return the replicates of a sum over queries.

        Parameters
        ----------
        values
            ``[queries]`` or ``[queries, k]``, without NaN.

        Returns
        -------
        ndarray
            ``[replicates]`` or ``[replicates, k]``.
        """
        by_group = self.group_sums(values.reshape(len(values), -1))
        drawn = np.concatenate([draws @ by_group for draws in self._draws()])
        return drawn.reshape(self.replicates, *values.shape[1:])

    def group_sums(self, values: Floats) -> Floats:
        """Return the sum over each group.

        Parameters
        ----------
        values
            ``[queries]`` or ``[queries, k]``, without NaN.

        Returns
        -------
        ndarray
            ``[groups]`` or ``[groups, k]``.
        """
        sums = np.zeros((self.group_count, *values.shape[1:]))
        np.add.at(sums, self._group, values)
        return sums

    def error(self, replicates: Floats) -> float | None:
        """Return a statistic's standard error, as of `Estimate`.

        Parameters
        ----------
        replicates
            ``[replicates]``; `None` is returned when less than two of them are finite.
        """
        finite = replicates[np.isfinite(replicates)]
        if self.group_count < 2 or len(finite) < 2:
            return None
        return float(finite.std(ddof=1))

    def mean(self, values: Floats) -> Estimate:
        """Return the mean of the known values, and its standard error.

        Parameters
        ----------
        values
            ``[queries]``, NaN where unknown.
        """
        return self._mean(values)[0]

    def mean_interval(self, values: Floats) -> tuple[Estimate, Interval | None]:
        """Return what `mean` does, and the 95 % interval; paired when `values` are differences.

        There is no interval when the known values are of one group.
        """
        estimate, replicates = self._mean(values)
        if not len(replicates):
            return estimate, None
        tail = 50 * (1 - _LEVEL)
        low, high = np.percentile(replicates, [tail, 100 - tail])
        return estimate, Interval(float(low), float(high))

    def _mean(self, values: Floats) -> tuple[Estimate, Floats]:
        """Return what `mean` does, and the replicates of draws that have a known value."""
        known = ~np.isnan(values)
        if not known.any():
            return Estimate(None, None), np.empty(0)
        sums = self.sums(np.stack([np.where(known, values, 0.0), known], axis=1))
        with np.errstate(invalid="ignore", divide="ignore"):
            replicates = sums[:, 0] / sums[:, 1]
        value = float(values[known].mean())
        # Of one group every draw is that group again.
        if len(np.unique(self._group[known])) < 2:
            return Estimate(value, None), np.empty(0)
        return Estimate(value, self.error(replicates)), replicates[np.isfinite(replicates)]
