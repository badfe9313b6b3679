"""The command ``arms convert``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arms.convert import (
    ConversionError,
    Fusion,
    Head,
    HeadConfig,
    WeightType,
    convert_checkpoints,
    default_head,
)

_DEFAULTS = HeadConfig()


def convert(
    text: Annotated[Path, typer.Option(help="Directory of a BERT or DistilBERT checkpoint.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model file to write.")],
    image: Annotated[
        Path | None,
        typer.Option(help="Directory of a CLIP checkpoint; without one images are ignored."),
    ] = None,
    fusion: Annotated[
        Fusion | None,
        typer.Option(
            help="What the experts attend to; by default patches, or concat without images."
        ),
    ] = None,
    head: Annotated[Head, typer.Option(help="How the cosine becomes a logit.")] = _DEFAULTS.head,
    weight_type: Annotated[
        WeightType, typer.Option("--type", help="Type of the matrices and the token table.")
    ] = WeightType.F32,
    seed: Annotated[int, typer.Option(help="Seed of the head's initial weights.")] = 0,
    experts: Annotated[int, typer.Option(help="Number of fusion experts.")] = _DEFAULTS.experts,
    attention_heads: Annotated[
        int, typer.Option(help="Heads of an expert's attention.")
    ] = _DEFAULTS.attention_heads,
    attention_width: Annotated[
        int, typer.Option(help="Width of an expert's attention.")
    ] = _DEFAULTS.attention_width,
    feed_forward: Annotated[
        int, typer.Option(help="Hidden width of an expert's feed-forward.")
    ] = _DEFAULTS.feed_forward,
    expert_output: Annotated[
        int, typer.Option(help="Output width of an expert.")
    ] = _DEFAULTS.expert_output,
    shared_width: Annotated[
        int, typer.Option(help="Width in which question and candidate are compared.")
    ] = _DEFAULTS.shared_width,
    top_k: Annotated[
        int, typer.Option(help="Experts that the gate keeps; 0 keeps all.")
    ] = _DEFAULTS.top_k,
    max_images: Annotated[int, typer.Option(help="Most images of a query.")] = _DEFAULTS.max_images,
    context_length: Annotated[
        int | None,
        typer.Option(help="Most tokens of a question; by default what the tokenizer allows."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the model.")] = None,
) -> None:
    """Make a model file from a text and an image checkpoint, with a fresh head to be trained.

    Without an image checkpoint the router decides by the question alone.
    """
    config = HeadConfig(
        fusion=fusion or default_head(image is not None).fusion,
        head=head,
        experts=experts,
        attention_heads=attention_heads,
        attention_width=attention_width,
        feed_forward=feed_forward,
        expert_output=expert_output,
        shared_width=shared_width,
        top_k=top_k,
        max_images=max_images,
    )
    try:
        convert_checkpoints(
            text,
            image,
            output,
            config,
            weight_type=weight_type,
            seed=seed,
            name=name,
            context_length=context_length,
        )
    except ConversionError as error:
        typer.echo(f"arms convert: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{output}: {output.stat().st_size:,} bytes")


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("convert")(convert)
