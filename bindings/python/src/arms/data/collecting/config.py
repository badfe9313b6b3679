"""What a collection asks, and whom: a YAML or TOML file."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from arms.data.collecting.prompt import CHOICE_INSTRUCTION, INSTRUCTION
from arms.data.errors import DataError


class ModelConfig(BaseModel):
    """One model: where it is, how hard it may be asked, what it costs and what it is."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(min_length=1, description="The name in the data set.")
    endpoint: str = Field(
        pattern=r"^https?://", description='Base URL: "https://api.openai.com/v1".'
    )
    model: str | None = Field(
        default=None, description="The name at the endpoint; by default the same."
    )
    key_env: str | None = Field(
        default=None, description="Environment variable that holds the key; by default no key."
    )
    input_price: float | None = Field(
        default=None, ge=0, description="US dollars a million input tokens, images included."
    )
    output_price: float | None = Field(
        default=None, ge=0, description="US dollars a million output tokens."
    )
    concurrency: int = Field(default=4, ge=1, le=1024, description="Requests under way at once.")
    requests_per_minute: float | None = Field(
        default=None, gt=0, description="Rate limit; by default none."
    )
    timeout: float = Field(
        default=120, gt=0, description="Seconds that a request may take, answer included."
    )
    retries: int = Field(
        default=6, ge=0, description="Further attempts after one that may pass: 429, 5xx, timeout."
    )
    max_tokens: int | None = Field(
        default=256, ge=1, description="Most output tokens; null leaves it to the endpoint."
    )
    temperature: float | None = Field(
        default=0, ge=0, description="null leaves it to the endpoint."
    )
    extra: dict[str, Any] = Field(
        default_factory=dict,
        description="Further fields of the request, as the endpoint knows them.",
    )
    parameters: str | None = Field(default=None, description='Profile: "8.3B".')
    architecture: str | None = Field(default=None, description="Profile.")
    language_model: str | None = Field(default=None, description="Profile.")
    vision_model: str | None = Field(default=None, description="Profile.")
    profile: str | None = Field(
        default=None, description="The whole profile, in place of these four."
    )
    max_images: int | None = Field(default=None, ge=0, description="Images it takes at most.")

    def key(self) -> str:
        """Return the key of the endpoint.

        Raises
        ------
        DataError
            If the environment variable is not set.
        """
        if self.key_env is None:
            # The client insists on one. It never falls back on a key meant for another endpoint.
            return "none"
        key = os.environ.get(self.key_env)
        if not key:
            raise DataError(
                f"model {self.name!r}: the environment variable {self.key_env} is not set"
            )
        return key

    def cost(self, input_tokens: int, output_tokens: int) -> float | None:
        """Return the US dollars of an answer, or `None` if a price that it takes is not known."""
        if self.input_price is None or self.output_price is None:
            return None
        return (input_tokens * self.input_price + output_tokens * self.output_price) / 1e6


class CollectConfig(BaseModel):
    """A collection.

    Examples
    --------
    ::

        models:
          - name: qwen2.5-vl-7b-instruct
            endpoint: http://localhost:8000/v1
            model: Qwen/Qwen2.5-VL-7B-Instruct
            input_price: 0
            output_price: 0
            concurrency: 16
            parameters: 8.3B
          - name: gpt-4o
            endpoint: https://api.openai.com/v1
            key_env: OPENAI_API_KEY
            input_price: 2.5
            output_price: 10
            requests_per_minute: 500
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    models: list[ModelConfig] = Field(min_length=1, description="Whom to ask.")
    instruction: str = Field(
        default=INSTRUCTION, description="Added after the question, to standardise the output."
    )
    choice_instruction: str = Field(
        default=CHOICE_INSTRUCTION, description="The same, after a question that lists options."
    )

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [model.name for model in self.models]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two models are named {name!r}")
        return self


def read_config(path: str | Path) -> CollectConfig:
    """Read the file of a collection.

    Parameters
    ----------
    path
        A ``.yaml``, ``.yml`` or ``.toml`` file with the fields of `CollectConfig`.

    Raises
    ------
    DataError
        If it is not of that form; the message names the field.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".toml":
            content = tomllib.loads(text)
        elif path.suffix in (".yaml", ".yml"):
            content = yaml.safe_load(text)
        else:
            raise DataError(f"{path}: the name of a configuration ends in .yaml, .yml or .toml")
        return CollectConfig.model_validate(content)
    except ValidationError as error:
        raise DataError(f"{path}: {_said(error)}") from error
    except (yaml.YAMLError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be parsed: {error}") from error
    except RecursionError:
        raise DataError(f"{path}: nested too deep") from None


def _said(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else str(first["msg"])
