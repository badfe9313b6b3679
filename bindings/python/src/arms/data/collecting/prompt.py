"""The prompt that a model gets: images, question, and a request for a plain answer.

The paper adds a "prompt for output standardization" to each question (Fig. 2), because an answer
counts only when it matches the true one exactly. The two instructions here do the same, one for
open questions and one for questions that list options. They are no part of the record: a router
sees the question as a user asks it.
"""

from __future__ import annotations

from collections.abc import Sequence

from arms.data.normalize import options_of

INSTRUCTION = (
    "Reply with the final answer only: a single word, number or short phrase, "
    "without explanation, units or punctuation."
)
CHOICE_INSTRUCTION = "Reply with the letter of the correct option only."


def prompt_of(
    question: str, instruction: str = INSTRUCTION, choice_instruction: str = CHOICE_INSTRUCTION
) -> str:
    r"""Return a question with the instruction that fits it.

    Examples
    --------
    >>> prompt_of("Which colour?\nA. red\nB. blue").splitlines()[-1]
    'Reply with the letter of the correct option only.'
    """
    added = choice_instruction if options_of(question) else instruction
    return f"{question}\n{added}" if added else question


def messages_of(prompt: str, images: Sequence[str]) -> list[dict[str, object]]:
    """Return the messages of a chat completion.

    Parameters
    ----------
    prompt
        The text, which follows the images.
    images
        URLs of the images, data URLs among them.
    """
    content: list[dict[str, object]] = [
        {"type": "image_url", "image_url": {"url": image}} for image in images
    ]
    return [{"role": "user", "content": [*content, {"type": "text", "text": prompt}]}]
