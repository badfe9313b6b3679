"""``arms score``: score many questions against the candidates."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from arms import (
    FileError,
    ImageError,
    InvalidArgumentError,
    LimitExceededError,
    Output,
    Query,
    Router,
    TextError,
)
from arms._printable import printable
from arms.cli.adapting import Exact, Threads
from arms.cli.images import NONE, STDIN, UNSEEN, read_images
from arms.cli.tables import console, print_json
from arms.encoded import embedding_width

_BATCH = 64
_QUESTION_WIDTH = 14


class _Asked(NamedTuple):
    """A query, the words in which it was asked, and the line of a file that did."""

    query: Query
    question: str
    images: list[str]
    where: str = ""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("score")(score)


def score(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="The model file.", show_default=False)
    ],
    questions: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUESTION", help="Questions about --image.", show_default=False),
    ] = None,
    image: Annotated[
        list[str] | None,
        typer.Option(
            "--image",
            "-i",
            help="An image that QUESTION is about; can be repeated. Default: no image.",
            show_default=False,
        ),
    ] = None,
    queries: Annotated[
        Path | None,
        typer.Option(
            "--queries",
            "-q",
            help="A file of JSON lines, [bold]-[/bold] for standard input, in place of QUESTION.",
            show_default=False,
        ),
    ] = None,
    candidate: Annotated[
        list[str] | None,
        typer.Option(
            "--candidate",
            "-c",
            help="Score this one only; can be repeated. Default: all enabled ones.",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        Output, typer.Option("--scores", help="Calibrated confidences, or raw logits.")
    ] = Output.CONFIDENCE,
    exact: Exact = False,
    threads: Threads = 0,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON a query.")] = False,
) -> None:
    """Score questions against every candidate.

    Each line of a --queries file holds "question" and "image".
    An image is a path relative to that file, a list of paths, or null.

      arms score router.gguf "What is shown?" "Which year is highest?" --image chart.png

      arms score router.gguf --queries queries.jsonl --json > scores.jsonl
    """
    if bool(questions) == (queries is not None):
        raise typer.BadParameter("give a QUESTION or --queries, one of them")
    if queries is not None and image:
        raise typer.BadParameter("--image goes with QUESTION; a --queries file names its own")
    with Router(model, threads=threads) as router:
        if queries is None:
            asked = _asked_about(router, questions or [], image or [], exact)
        else:
            asked = _asked_in(queries)
        columns = candidate or [i.name for i in router.candidates.list() if i.enabled]
        shown: list[tuple[str, NDArray[np.float32]]] = []
        sees_images, ignored = embedding_width(router) > 0, False
        while batch := list(islice(asked, _BATCH)):
            scores = _scored(router, batch, columns, kind, exact)
            ignored |= not sees_images and any(one.images for one in batch)
            for one, row in zip(batch, scores, strict=True):
                if json:
                    print_json(_record(one, columns, row))
                else:
                    shown.append((printable(one.question), row))
        if not json:
            _show([printable(name) for name in columns], shown)
    if ignored:
        print(f"arms: {UNSEEN}", file=sys.stderr)


def _scored(
    router: Router, batch: list[_Asked], columns: list[str], kind: Output, exact: bool
) -> NDArray[np.float32]:
    """Score queries, and say of which line the one was that cannot be scored."""
    try:
        return router.score([one.query for one in batch], columns, output=kind, exact=exact)
    except (FileError, ImageError, InvalidArgumentError, LimitExceededError, TextError) as error:
        if len(batch) > 1:
            # The error does not say which it was: the first that fails alone.
            for one in batch:
                _scored(router, [one], columns, kind, exact)
        elif batch[0].where:
            raise type(error)(f"{batch[0].where}: {error}", error.status) from error
        raise


def _asked_about(
    router: Router, questions: Iterable[str], images: list[str], exact: bool
) -> Iterator[_Asked]:
    """Yield several questions about the same images, which are encoded once."""
    encoded = [router.encode_image(image, exact=exact) for image in read_images(images)]
    for question in questions:
        yield _Asked(Query(encoded, question), question, [i for i in images if i != NONE])


def _asked_in(path: Path) -> Iterator[_Asked]:
    """Yield the queries of a file of JSON lines as they are read."""
    if str(path) == STDIN:
        yield from _parsed(sys.stdin.buffer, "standard input", Path())
    else:
        with path.open("rb") as lines:
            yield from _parsed(lines, str(path), path.parent)


def _parsed(lines: Iterable[bytes], source: str, folder: Path) -> Iterator[_Asked]:
    # Decoded line by line: a whole file is decoded ahead of the line that it fails at.
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json_format.loads(line.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise InvalidArgumentError(f"{source}:{number}: not UTF-8: {error}") from error
        except ValueError as error:
            raise InvalidArgumentError(f"{source}:{number}: not JSON: {error}") from error
        except RecursionError:
            raise InvalidArgumentError(f"{source}:{number}: nested too deep") from None
        yield _query(record, f"{source}:{number}", folder)


def _query(record: Any, where: str, folder: Path) -> _Asked:
    question = record.get("question") if isinstance(record, dict) else None
    if not isinstance(question, str):
        raise InvalidArgumentError(f'{where}: expected an object with a string "question"')
    images = record.get("image")
    images = [] if images is None else [images] if isinstance(images, str) else images
    if not isinstance(images, list) or not all(isinstance(image, str) for image in images):
        raise InvalidArgumentError(f'{where}: "image" must be a path, a list of paths, or null')
    return _Asked(Query([folder / image for image in images], question), question, images, where)


def _record(asked: _Asked, columns: list[str], scores: NDArray[np.float32]) -> dict[str, object]:
    return {
        "question": asked.question,
        "image": asked.images,
        "scores": dict(zip(columns, scores.tolist(), strict=True)),
    }


def _show(names: list[str], shown: list[tuple[str, NDArray[np.float32]]]) -> None:
    """Print a row a candidate and a column a question, as many of them abreast as fit."""
    output = console()
    widest = min(max(map(cell_len, names), default=0), output.width // 2)
    room = output.width - widest
    abreast = max(1, min(len(shown), room // _QUESTION_WIDTH))
    width = max(5, room // abreast - 2)
    for begin in range(0, len(shown), abreast):
        part = shown[begin : begin + abreast]
        table = Table(box=None, pad_edge=False)
        table.add_column("candidate", min_width=widest, overflow="fold")
        for question, _ in part:
            table.add_column(Text(question), justify="right", overflow="fold", max_width=width)
        columns = [_cells(scores) for _, scores in part]
        for row, name in enumerate(names):
            table.add_row(Text(name), *(cells[row] for cells in columns))
        if begin:
            output.print()
        output.print(table)


def _cells(scores: NDArray[np.float32]) -> list[Text]:
    best = int(scores.argmax()) if scores.size else -1
    return [
        Text(f"{score:.3f}", style="bold green" if index == best else "")
        for index, score in enumerate(scores.tolist())
    ]
