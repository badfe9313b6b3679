"""The named choices of the interface, as enumerations whose members are also strings."""

from __future__ import annotations

from enum import StrEnum
from typing import Self, SupportsFloat

from arms.errors import InvalidArgumentError


class NamedChoice(StrEnum):
    """A choice that has a name in Python and a number in ``arms.h``."""

    number: int

    def __new__(cls, name: str, number: int) -> Self:
        """Make a member that equals its name."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.number = number
        return member

    @classmethod
    def parse(cls, value: Self | str, what: str | None = None) -> Self:
        """Return the member of a name.

        Parameters
        ----------
        value
            The name.
        what
            The argument that it was given for, if that is not called as the choice is.

        Raises
        ------
        InvalidArgumentError
            If there is none; the message lists them.
        """
        for member in cls:
            if member.value == value:
                return member
        names = ", ".join(repr(str(member)) for member in cls)
        raise InvalidArgumentError(
            f"{what or cls.__name__.lower()} must be one of {names}, not {str(value)!r}"
        )

    @classmethod
    def of(cls, number: int) -> Self:
        """Return the member of a number.

        Raises
        ------
        InvalidArgumentError
            If this version does not know it.
        """
        for member in cls:
            if member.number == number:
                return member
        raise InvalidArgumentError(
            f"the library reports {cls.__name__.lower()} {number}, which this package does not "
            "know: update the package"
        )


class Policy(NamedChoice):
    """How `Router.route` chooses: ``enum arms_policy``."""

    CONFIDENCE = "confidence", 0
    """The highest confidence, of both pools when there are two."""
    CASCADE = "cascade", 1
    """Stay in the first router's pool when its best confidence is above theta (Algorithm 1)."""
    UTILITY = "utility", 2
    """The highest ``confidence - lambda_ * cost - mu * latency``."""


def unread(
    policy: Policy, theta: SupportsFloat | None, lambda_: float, mu: float
) -> list[tuple[str, Policy]]:
    """List the options that are given to a policy that does not read them, and the one that does.

    Nothing else would say that they have no effect.
    """
    options = {
        "theta": (Policy.CASCADE, theta is not None),
        "lambda_": (Policy.UTILITY, lambda_ != 0),
        "mu": (Policy.UTILITY, mu != 0),
    }
    return [
        (option, reader)
        for option, (reader, given) in options.items()
        if given and policy is not reader
    ]


class Output(NamedChoice):
    """What `Router.score` returns: ``enum arms_score_output``."""

    CONFIDENCE = "confidence", 0
    """c_ij, calibrated, from 0 to 1."""
    LOGIT = "logit", 1
    """t_ij, not calibrated."""


class Schedule(NamedChoice):
    """How the learning rate goes on after the warm-up: ``enum arms_schedule``."""

    CONSTANT = "constant", 0
    """At its peak, to the end."""
    COSINE = "cosine", 1
    """Along half a cosine, down to 0."""


class LoraTarget(NamedChoice):
    """Which linear layers of a block have an adapter: ``enum arms_lora_target``."""

    QUERY = "query", 1
    KEY = "key", 2
    VALUE = "value", 4
    OUTPUT = "output", 8
    """What the attention's heads are joined by."""
    UP = "up", 16
    """The first layer of the feed-forward network."""
    DOWN = "down", 32
    """Its second layer."""


class WeightType(NamedChoice):
    """The type in which trained matrices are saved: ``enum arms_weight_type``."""

    UNCHANGED = "unchanged", 0
    """Each as it is in the router's file."""
    F32 = "f32", 1
    F16 = "f16", 2
    BF16 = "bf16", 3
    INT8 = "int8", 4


class Fusion(NamedChoice):
    """What the question attends to: ``enum arms_fusion``."""

    POOLED = "pooled", 1
    """The image's pooled vector, as the paper's text says."""
    PATCHES = "patches", 2
    """The image's tokens."""
    CONCAT = "concat", 3
    """No attention; the ablation row of the paper."""


class Head(NamedChoice):
    """How a cosine becomes a logit: ``enum arms_head``."""

    PAPER = "paper", 1
    """``clamp(atanh(s_ij), -4, 4)``, Eq. 6."""
    SCALED = "scaled", 2
    """``alpha * s_ij + beta_j``, both learned."""
