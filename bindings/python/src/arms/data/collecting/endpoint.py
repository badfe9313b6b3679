"""One model behind an OpenAI-compatible endpoint: asked within its limits, and again if need be."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import openai

from arms.data.collecting.config import ModelConfig
from arms.data.collecting.prompt import messages_of
from arms.data.schema import is_unicode

FIRST_DELAY = 0.5
LONGEST_DELAY = 60.0


class AskError(Exception):
    """One question got no answer; others may."""


class EndpointError(Exception):
    """The endpoint answers no question: a wrong key, address or model, or no money."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Attributes
    ----------
    output
        What the model said; empty when it refused.
    cost
        US dollars, or `None` when the prices or the tokens are not known.
    latency
        Milliseconds from the request to the whole answer, of the attempt that succeeded.
    """

    output: str
    cost: float | None
    latency: float


class Endpoint:
    """Asks one model.

    Parameters
    ----------
    config
        The model.
    """

    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        # Retries are made here: the client's own would count as latency.
        self._client = openai.AsyncOpenAI(
            base_url=config.endpoint, api_key=config.key(), max_retries=0, timeout=config.timeout
        )
        self._pace = _Pace(config.requests_per_minute)
        self.retried = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.close()

    async def ask(self, prompt: str, images: list[str]) -> Reply:
        """Ask, and try again as often as the configuration says when that may help.

        Parameters
        ----------
        prompt
            The text.
        images
            URLs of the images.

        Raises
        ------
        AskError
            If the endpoint refuses this question, or every attempt fails.
        EndpointError
            If it would refuse any question.
        """
        for attempt in range(self._config.retries + 1):
            await self._pace.wait()
            try:
                return await self._attempt(prompt, images)
            except (
                openai.AuthenticationError,
                openai.PermissionDeniedError,
                openai.NotFoundError,
            ) as error:
                raise EndpointError(_said(error)) from error
            except (openai.APIConnectionError, TimeoutError) as error:
                failure: Exception = error
            except openai.APIStatusError as error:
                if error.code == "insufficient_quota":
                    raise EndpointError(_said(error)) from error
                if error.status_code not in (408, 409, 429) and error.status_code < 500:
                    raise AskError(_said(error)) from error
                failure = error
            except (openai.APIResponseValidationError, ValueError, RecursionError) as error:
                # The client lets what is no JSON through as the parser's own error.
                failure = error
            if attempt < self._config.retries:
                self.retried += 1
                delay = _delay(failure, attempt)
                if isinstance(failure, openai.RateLimitError):
                    self._pace.pause(delay)
                await asyncio.sleep(delay)
        attempts = self._config.retries + 1
        raise AskError(f"{_said(failure)} ({attempts} attempts)") from failure

    async def _attempt(self, prompt: str, images: list[str]) -> Reply:
        config = self._config
        options: dict[str, Any] = {"extra_body": config.extra} if config.extra else {}
        if config.max_tokens is not None:
            options["max_tokens"] = config.max_tokens
        if config.temperature is not None:
            options["temperature"] = config.temperature
        messages: Any = messages_of(prompt, images)
        start = time.perf_counter()
        # The client's own timeout starts anew with each piece of the answer.
        async with asyncio.timeout(config.timeout):
            completion = await self._client.chat.completions.create(
                model=config.model or config.name, messages=messages, **options
            )
        latency = (time.perf_counter() - start) * 1000
        return Reply(_output(completion), _cost(completion, config), latency)


def _output(completion: Any) -> str:
    """Return the text of a completion, which the client does not validate."""
    try:
        content = completion.choices[0].message.content
    except (AttributeError, IndexError, TypeError) as error:
        raise AskError("the endpoint's answer is not a chat completion") from error
    if content is not None and not isinstance(content, str):
        raise AskError("the endpoint's answer has a content that is not a text")
    if content and not is_unicode(content):
        raise AskError("the endpoint's answer is no Unicode text: half of a surrogate pair")
    return content or ""


def _cost(completion: Any, config: ModelConfig) -> float | None:
    usage = getattr(completion, "usage", None)
    tokens = [getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens")]
    if not all(isinstance(count, int) and count >= 0 for count in tokens):
        return None
    return config.cost(*tokens)  # type: ignore[arg-type]


def _said(error: Exception) -> str:
    if isinstance(error, openai.APIStatusError):
        return f"HTTP {error.status_code}: {' '.join(error.message.split())[:200]}"
    if isinstance(error, (TimeoutError, openai.APITimeoutError)):
        return "no answer in time"
    if isinstance(error, (ValueError, RecursionError)):
        return f"the endpoint's answer is not JSON: {error}"[:200]
    cause = error.__cause__
    return f"{error}{f' ({cause})' if cause else ''}"[:200]


def _delay(error: Exception, attempt: int) -> float:
    """Return the seconds to wait: what the endpoint asks for, else twice as long each time."""
    if isinstance(error, openai.APIStatusError):
        asked = _seconds(error.response.headers.get("retry-after-ms"), 1e-3)
        asked = asked or _seconds(error.response.headers.get("retry-after"), 1)
        if asked is not None:
            return min(asked, LONGEST_DELAY)
    # Jitter, so that requests that failed together do not come back together.
    return float(min(FIRST_DELAY * 2.0**attempt, LONGEST_DELAY) * random.uniform(0.5, 1))


def _seconds(header: str | None, unit: float) -> float | None:
    try:
        seconds = float(header or "") * unit
    except ValueError:  # Absent, or a date.
        return None
    return seconds if 0 <= seconds < float("inf") else None


class _Pace:
    """Spaces requests by the rate limit, and holds all of them back when one meets it."""

    def __init__(self, per_minute: float | None) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0

    def pause(self, seconds: float) -> None:
        self._next = max(self._next, time.monotonic() + seconds)

    async def wait(self) -> None:
        now = time.monotonic()
        slot = max(self._next, now)
        if self._gap:
            self._next = slot + self._gap
        if slot > now:
            await asyncio.sleep(slot - now)
