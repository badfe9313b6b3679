"""Hugging Face's tokenizers, from Python."""

from __future__ import annotations

from collections.abc import Sequence

import tokenizers

from benchmarks.models import Folder


class TokenizersEngine:
    """The checkpoint's tokenizer without padding, as a single question needs none."""

    def __init__(self, folder: Folder) -> None:
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder.text / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()

    def tokenize(self, questions: Sequence[str]) -> None:
        """Tokenise questions, one call each."""
        for question in questions:
            self.tokenizer.encode(question).ids  # noqa: B018 - the ids are made when asked for

    def version(self) -> str:
        """Name the release."""
        return f"tokenizers {tokenizers.__version__}"
