"""The schema of M2 records, for people (`Record`) and for streams (`Row`).

`Query` and `Record` are the documented schema: pydantic models that check what a program makes and
explain what is wrong with a row. `QueryRow` and `Row` have the same fields and the same rules as
msgspec structs, which the streaming readers decode some ten times faster. A test holds the two
together.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta
from pydantic import BaseModel, ConfigDict, Field

Split: TypeAlias = Literal["train", "test", "ood"]
SPLITS: tuple[Split, ...] = ("train", "test", "ood")


class Query(BaseModel):
    """A question about an image, and what is known of it whoever answers.

    Rows of the same `id` are answers to the same query and must agree in all of these fields.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    id: str = Field(min_length=1, description="Names the query; unique in the data set.")
    question: str = Field(description="The question as a router gets it, without any instruction.")
    group: str | None = Field(
        default=None,
        description="Queries of one group never part in a split; by default the id.",
    )
    image: str | list[str] | None = Field(
        default=None,
        description="Path of the image relative to the data file, several in a list, or null.",
    )
    answer: str | list[str] | None = Field(
        default=None, description="The true answer; a list when any of several is accepted."
    )
    task: str | None = Field(default=None, description='What is asked for: "chart reading".')
    language: str | None = Field(default=None, description='BCP 47 tag of the language: "en".')
    benchmark: str | None = Field(default=None, description="Where the query comes from.")
    split: Split | None = Field(
        default=None,
        description='"train", "test" (in distribution) or "ood" (out of distribution).',
    )


class Record(Query):
    """One row of a data set: one model's answer to one query.

    Examples
    --------
    >>> Record(id="q1", question="How many bars?", model="gpt-4o", answer="4", label=True).model
    'gpt-4o'
    """

    model: str = Field(min_length=1, description="The VLM that was asked.")
    output: str | None = Field(default=None, description="What the model said.")
    label: bool | None = Field(
        default=None, description="Whether the model was right; null when nobody knows."
    )
    judge: float | None = Field(
        default=None, ge=0, le=1, description="A judge's verdict on the output, from 0 to 1."
    )
    answered: bool | None = Field(
        default=None, description="Whether any model of the data set answers the query."
    )
    cost: float | None = Field(default=None, ge=0, description="US dollars that the answer cost.")
    latency: float | None = Field(
        default=None, ge=0, description="Milliseconds from the request to the whole answer."
    )


_Name: TypeAlias = Annotated[str, Meta(min_length=1)]
# A table of numbers may hold an infinity, which no limit but this one keeps out.
_Positive: TypeAlias = Annotated[float, Meta(ge=0, le=sys.float_info.max)]
_Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]


class QueryRow(msgspec.Struct, gc=False, kw_only=True, eq=False):
    """A `Query` as the streaming readers make it.

    Rows are equal when their fields are; they are mutable and cannot be hashed.
    """

    id: _Name
    question: str
    group: str | None = None
    image: str | list[str] | None = None
    answer: str | list[str] | None = None
    task: str | None = None
    language: str | None = None
    benchmark: str | None = None
    split: Split | None = None

    # The readers make rows of a subclass, which the generated comparison would tell apart.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, QueryRow) and as_dict(self) == as_dict(other)

    __hash__ = None  # type: ignore[assignment]


class Row(QueryRow, gc=False, kw_only=True, eq=False):
    """A `Record` as the streaming readers make it."""

    model: _Name
    output: str | None = None
    label: bool | None = None
    judge: _Share | None = None
    answered: bool | None = None
    cost: _Positive | None = None
    latency: _Positive | None = None


QUERY_FIELDS: tuple[str, ...] = QueryRow.__struct_fields__
FIELDS: tuple[str, ...] = Row.__struct_fields__


def schema_of(row: type[QueryRow]) -> type[Query]:
    """Return the documented schema of a kind of row."""
    return Record if issubclass(row, Row) else Query


def is_unicode(text: str) -> bool:
    """Say whether a text can be written: Python lets halves of surrogate pairs through in JSON."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def group_of(row: QueryRow | Query) -> str:
    """Return a row's group, which is its id when it names none."""
    return row.id if row.group is None else row.group


def images_of(row: QueryRow | Query) -> list[str]:
    """Return the images of a row as a list, empty when it has none."""
    if row.image is None:
        return []
    return [row.image] if isinstance(row.image, str) else row.image


def answers_of(row: QueryRow | Query) -> list[str]:
    """Return the accepted answers of a row as a list, empty when none is known."""
    if row.answer is None:
        return []
    return [row.answer] if isinstance(row.answer, str) else row.answer


def as_row(record: Record | Row) -> Row:
    """Return a record as a row."""
    return record if isinstance(record, Row) else Row(**dict(record))


def as_record(row: Row) -> Record:
    """Return a row, which its reader has checked, as a record."""
    return Record.model_construct(**as_dict(row))


def as_dict(row: QueryRow) -> dict[str, Any]:
    """Return the fields of a row by name."""
    return {name: getattr(row, name) for name in row.__struct_fields__}
