"""``arms route``: choose a candidate for one question."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from rich.table import Table
from rich.text import Text

from arms import CandidateInfo, Decision, Policy, RankedCandidate, Router
from arms._printable import printable
from arms.cli.images import UNSEEN, read_images
from arms.cli.tables import Json, bar, console, cost, known, latency, print_json
from arms.encoded import embedding_width
from arms.options import unread

# By pool and name: the two routers of a cascade may know candidates of one name.
_Infos: TypeAlias = dict[tuple[int, str], CandidateInfo]

_CHOICE = "Choice"
_SPEED = "Decoding and threads"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("route")(route)


def route(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[MODEL] IMAGE QUESTION",
            help="The model file, by default the one that comes with the package; a JPEG or PNG "
            "file, [bold]-[/bold] for standard input, or [bold]none[/bold]; what is asked.",
            show_default=False,
        ),
    ],
    more_images: Annotated[
        list[str] | None,
        typer.Option("--image", "-i", help="One more image; can be repeated.", show_default=False),
    ] = None,
    policy: Annotated[
        Policy,
        typer.Option(
            help="[bold]confidence[/bold]: the best answer; [bold]cascade[/bold]: the second pool "
            "only when the first is unsure; [bold]utility[/bold]: the best answer for its price.",
            rich_help_panel=_CHOICE,
        ),
    ] = Policy.CONFIDENCE,
    theta: Annotated[
        float | None,
        typer.Option(
            help="cascade: stay in the first pool above this confidence. Default: the file's.",
            show_default=False,
            rich_help_panel=_CHOICE,
        ),
    ] = None,
    second: Annotated[
        Path | None,
        typer.Option(
            help="cascade: the second router's model file. Default: the one in MODEL.",
            show_default=False,
            rich_help_panel=_CHOICE,
        ),
    ] = None,
    lambda_: Annotated[
        float,
        typer.Option(
            "--lambda",
            help="utility: confidence that a US dollar is worth.",
            rich_help_panel=_CHOICE,
        ),
    ] = 0.0,
    mu: Annotated[
        float,
        typer.Option(
            help="utility: confidence that a millisecond is worth.", rich_help_panel=_CHOICE
        ),
    ] = 0.0,
    max_cost: Annotated[
        float | None,
        typer.Option(
            help="Leave out candidates above, in US dollars a query.",
            show_default=False,
            rich_help_panel=_CHOICE,
        ),
    ] = None,
    max_latency: Annotated[
        float | None,
        typer.Option(
            help="Leave out candidates above, in milliseconds.",
            show_default=False,
            rich_help_panel=_CHOICE,
        ),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            help="Choose among these only; can be repeated.",
            show_default=False,
            rich_help_panel=_CHOICE,
        ),
    ] = None,
    abstain_below: Annotated[
        float,
        typer.Option(
            help="Choose nobody when the best confidence is below.", rich_help_panel=_CHOICE
        ),
    ] = 0.0,
    top: Annotated[
        int | None,
        typer.Option(min=1, help="Show the best ones only.", show_default=False),
    ] = None,
    exact: Annotated[
        bool,
        typer.Option("--exact", help="Decode large JPEGs at full size.", rich_help_panel=_SPEED),
    ] = False,
    threads: Annotated[
        int,
        typer.Option(
            min=0, help="Threads to use; 0: all cores of this process.", rich_help_panel=_SPEED
        ),
    ] = 0,
    json: Json = False,
) -> None:
    """Choose the candidate that will answer a question about an image.

    The candidates are listed best first: a chain of fallbacks.

      arms route chart.png "Which year had the highest sales?"

      arms route router.gguf none "What is the capital of Peru?" --policy utility --lambda 50
    """
    model, image, question = _arguments(words)
    for option, reader in unread(policy, theta, lambda_, mu):
        raise typer.BadParameter(
            f"--{option.rstrip('_')} has no effect with --policy {policy}: give it with "
            f"--policy {reader}"
        )
    images = read_images([image, *(more_images or [])])
    with Router(model, threads=threads) as router:
        other = None if second is None else Router(second, threads=threads)
        decision = router.route(
            images,
            question,
            policy=policy,
            theta=theta,
            abstain_below=abstain_below,
            lambda_=lambda_,
            mu=mu,
            max_cost=max_cost,
            max_latency=max_latency,
            allowed=allow or None,
            second=other,
            exact=exact,
            top=top,
        )
        used = len(images) if _looked(decision, router, other) else 0
        infos = {(info.router, info.name): info for info in router.candidates.list()}
        if other is not None:
            infos |= {(1, info.name): info for info in other.candidates.list()}
            other.close()
    if json:
        print_json(_record(decision, infos) | {"images_used": used})
    else:
        _show(decision, infos, policy)
        if decision.images_ignored:
            console().print(
                "One of the two routers has no image encoder: it judged its candidates by the "
                "question alone."
                if used
                else UNSEEN,
                style="yellow",
            )


def _arguments(words: list[str]) -> tuple[str | None, str, str]:
    """Return the model, `None` for the default one, the image and the question."""
    match words:
        case [model, image, question]:
            return model, image, question
        case [image, question] if not image.endswith(".gguf"):
            return None, image, question
        case [_, _, _, unexpected, *_]:
            raise typer.BadParameter(f"unexpected {unexpected!r}: quote a question of many words")
    raise typer.BadParameter("missing QUESTION: expected [MODEL] IMAGE QUESTION")


def _looked(decision: Decision, router: Router, second: Router | None) -> bool:
    """Say whether a router that took part in the decision looked at the images."""
    if not decision.images_ignored:
        return True
    if not decision.second_router:
        return False
    if second is None:
        return embedding_width(router) > 0
    return router.info.sees_images or second.info.sees_images


def _record(decision: Decision, infos: _Infos) -> dict[str, Any]:
    second_gate = decision.second_gate
    return {
        "name": decision.name,
        "confidence": decision.confidence,
        "utility": decision.utility,
        "abstained": decision.abstained,
        "truncated": decision.truncated,
        "question_tokens": decision.question_tokens,
        "second_router": decision.second_router,
        "gate": decision.gate.tolist(),
        "second_gate": None if second_gate is None else second_gate.tolist(),
        "ranked_count": decision.ranked_count,
        "ranked": [
            asdict(entry) | {"cost": info.cost, "latency": info.latency}
            for entry, info in _ranked(decision, infos)
        ],
    }


def _ranked(decision: Decision, infos: _Infos) -> list[tuple[RankedCandidate, CandidateInfo]]:
    return [(entry, infos[entry.router, entry.name]) for entry in decision.ranked]


def _show(decision: Decision, infos: _Infos, policy: Policy) -> None:
    ranked = _ranked(decision, infos)
    columns = {
        "utility": policy is Policy.UTILITY,
        "cost": known((info for _, info in ranked), "cost"),
        "latency": known((info for _, info in ranked), "latency"),
        "pool": any(entry.router for entry in decision.ranked),
    }
    table = Table(box=None, pad_edge=False)
    table.add_column("candidate")
    table.add_column("confidence")
    for column, present in columns.items():
        if present:
            table.add_column(column, justify="right")
    for place, (entry, info) in enumerate(ranked):
        cells = _cells(entry, info)
        chosen = place == 0 and not decision.abstained
        table.add_row(
            Text(f"{'→' if chosen else ' '} {printable(entry.name)}"),
            bar(entry.confidence),
            *(cells[column] for column, present in columns.items() if present),
            style="bold" if chosen else None,
        )
    output = console()
    output.print(table)
    if decision.abstained:
        output.print("No candidate is good enough: the router abstains.", style="yellow")
    if decision.truncated:
        output.print(
            f"The question has {decision.question_tokens_total} tokens, of which "
            f"{decision.question_tokens} were read.",
            style="yellow",
        )


def _cells(entry: RankedCandidate, info: CandidateInfo) -> dict[str, str]:
    return {
        "utility": f"{entry.utility:.3f}",
        "cost": cost(info.cost),
        "latency": latency(info.latency),
        "pool": "second" if entry.router else "first",
    }
