"""Reads a BERT WordPiece tokenizer: tokenizer.json, or vocab.txt with tokenizer_config.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from gguf import GGUFValueType

from arms.convert.checkpoint import Checkpoint, Fields
from arms.convert.errors import ConversionError
from arms.convert.model_file import Key, array, boolean, string, u32

_NORMALIZED: Final = 1
_SINGLE_WORD: Final = 2
_STRIP_LEFT: Final = 4
_STRIP_RIGHT: Final = 8
_REBUILT: Final = (
    None,
    "BertTokenizer",
    "BertTokenizerFast",
    "DistilBertTokenizer",
    "DistilBertTokenizerFast",
)
"""Classes that transformers makes anew from tokenizer_config.json, whatever tokenizer.json says."""


@dataclass(frozen=True)
class Tokenizer:
    """A WordPiece tokenizer with BERT's normaliser and pre-tokeniser."""

    tokens: dict[int, str]
    added: dict[int, int]
    """Flags of the added tokens by id."""
    lowercase: bool
    strip_accents: bool
    clean_text: bool
    split_cjk: bool
    max_word_length: int
    subword_prefix: str
    unknown: str
    cls: str
    sep: str
    source: str

    def keys(self, rows: int) -> dict[str, Key]:
        """Return the keys of FORMAT.md.

        Parameters
        ----------
        rows
            Rows of the token table. Rows without a token get a name that no text is split into.
        """
        if max(self.tokens, default=-1) >= rows:
            last = max(self.tokens)
            raise ConversionError(
                f"{self.source}: token {json.dumps(self.tokens[last])} has id {last}, "
                "but the token table "
                f"(config.json: vocab_size) has {rows} rows"
            )
        for token in self.tokens.values():
            if any("\ud800" <= character <= "\udfff" for character in token):
                raise ConversionError(
                    f"{self.source}: token {json.dumps(token)} is not Unicode text"
                )
        ids = {token: one for one, token in self.tokens.items()}
        for name, token in (
            ("unk_token", self.unknown),
            ("cls_token", self.cls),
            ("sep_token", self.sep),
        ):
            if token not in ids:
                raise ConversionError(
                    f"{self.source}: {name} = {json.dumps(token)} is not in the vocabulary"
                )
        # A token that occurs twice is found under its last id, as in the reference.
        names = [
            token if token is not None and ids[token] == one else f"[PAD{one}]"
            for one, token in ((one, self.tokens.get(one)) for one in range(rows))
        ]
        return {
            "arms.tokenizer.tokens": array(names, GGUFValueType.STRING),
            "arms.tokenizer.lowercase": boolean(self.lowercase),
            "arms.tokenizer.strip_accents": boolean(self.strip_accents),
            "arms.tokenizer.clean_text": boolean(self.clean_text),
            "arms.tokenizer.split_cjk": boolean(self.split_cjk),
            "arms.tokenizer.max_word_length": u32(self.max_word_length),
            "arms.tokenizer.subword_prefix": string(self.subword_prefix),
            "arms.tokenizer.unknown_id": u32(ids[self.unknown]),
            "arms.tokenizer.cls_id": u32(ids[self.cls]),
            "arms.tokenizer.sep_id": u32(ids[self.sep]),
            "arms.tokenizer.added.ids": array(sorted(self.added), GGUFValueType.UINT32),
            "arms.tokenizer.added.flags": array(
                [self.added[one] for one in sorted(self.added)], GGUFValueType.UINT32
            ),
        }


def read_tokenizer(checkpoint: Checkpoint) -> Tokenizer:
    """Read a checkpoint's tokenizer. tokenizer.json counts if there is one, else vocab.txt.

    Raises
    ------
    ConversionError
        If there is none, or it is not BERT's WordPiece; the message names the field.
    """
    if checkpoint.has("tokenizer.json"):
        return _read_tokenizer_json(checkpoint)
    if checkpoint.has("vocab.txt"):
        return _read_vocabulary(checkpoint)
    raise ConversionError(f"{checkpoint.directory}: no tokenizer.json and no vocab.txt")


def _flags(token: Fields) -> int:
    # A token that is not special is normalised unless it says otherwise.
    normalized = token.flag("normalized", not token.flag("special", False))
    return (
        _NORMALIZED * normalized
        + _SINGLE_WORD * token.flag("single_word", False)
        + _STRIP_LEFT * token.flag("lstrip", False)
        + _STRIP_RIGHT * token.flag("rstrip", False)
    )


def _token_id(value: Any, source: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise ConversionError(
            f"{source}: token id {json.dumps(value)} must be a whole number from 0"
        )
    return value


def _template(processor: Fields) -> tuple[str, str]:
    """Return the tokens that a post-processor puts before and after a text."""
    if processor.require("type", "TemplateProcessing", "BertProcessing") == "BertProcessing":
        return _with_id(processor, "cls", "[CLS]"), _with_id(processor, "sep", "[SEP]")
    single = processor.get("single")
    match single:
        case [
            {"SpecialToken": {"id": str(cls), **first}},
            {"Sequence": {"id": "A", **text}},
            {"SpecialToken": {"id": str(sep), **last}},
        ] if not any(one.get("type_id", 0) for one in (first, text, last)):
            return cls, sep
    raise processor.unsupported("single", single, "[CLS] $A [SEP]")


def _template_ids(processor: Fields, cls: str, sep: str) -> dict[str, Any]:
    """Return the ids that a post-processor gives its tokens, which need not be the vocabulary's."""
    if processor.get("type") == "BertProcessing":
        return {
            one[0]: [one[1]] for name in ("cls", "sep") if (one := processor.get(name)) is not None
        }
    special = processor.nested("special_tokens")
    return {token: special.nested(token).list("ids") for token in (cls, sep)}


def _with_id(processor: Fields, name: str, default: str) -> str:
    """Return the token of a field that holds a token and its id."""
    match processor.get(name, [default, 0]):
        case [str(token), int()]:
            return token
        case value:
            raise processor.unsupported(name, value, [default, 0])


def _read_tokenizer_json(checkpoint: Checkpoint) -> Tokenizer:
    file = checkpoint.fields("tokenizer.json")
    model = file.nested("model")
    model.require("type", "WordPiece", default="WordPiece")
    normalizer = file.nested("normalizer")
    normalizer.require("type", "BertNormalizer")
    file.nested("pre_tokenizer").require("type", "BertPreTokenizer")
    processor = file.nested("post_processor")
    cls, sep = _template(processor)
    vocabulary = model.nested("vocab")
    tokens = {_token_id(one, vocabulary.source): token for token, one in vocabulary.values.items()}
    added: dict[int, int] = {}
    for entry in file.list("added_tokens"):
        token = Fields(entry, f"{file.source}: added_tokens")
        one = _token_id(token.get("id"), token.source)
        tokens[one] = token.string("content")
        added[one] = _flags(token)
    for wanted, ids in _template_ids(processor, cls, sep).items():
        if [tokens.get(_token_id(one, processor.source)) for one in ids] != [wanted]:
            raise ConversionError(
                f"{processor.source}: gives {json.dumps(wanted)} the ids {json.dumps(ids)}, which "
                "are not its id in the vocabulary"
            )
    lowercase = normalizer.flag("lowercase", True)
    strip_accents = normalizer.flag("strip_accents", lowercase)
    split_cjk = normalizer.flag("handle_chinese_chars", True)
    config = checkpoint.optional_fields("tokenizer_config.json")
    lower = config.flag("do_lower_case", True)
    _refuse_contradictions(
        config,
        processor,
        ("cls_token", _content(config, "cls_token"), "cls", cls),
        ("sep_token", _content(config, "sep_token"), "sep", sep),
    )
    _refuse_contradictions(
        config,
        normalizer,
        ("do_lower_case", lower, "lowercase", lowercase),
        ("strip_accents", config.flag("strip_accents", lower), "strip_accents", strip_accents),
        (
            "tokenize_chinese_chars",
            config.flag("tokenize_chinese_chars", True),
            "handle_chinese_chars",
            split_cjk,
        ),
    )
    _refuse_more_tokens(checkpoint, config, [tokens[one] for one in added])
    return Tokenizer(
        tokens=tokens,
        added=added,
        lowercase=lowercase,
        strip_accents=strip_accents,
        clean_text=normalizer.flag("clean_text", True),
        split_cjk=split_cjk,
        max_word_length=model.integer("max_input_chars_per_word", 100),
        subword_prefix=model.string("continuing_subword_prefix", "##"),
        unknown=model.string("unk_token", "[UNK]"),
        cls=cls,
        sep=sep,
        source=file.source,
    )


def _refuse_contradictions(
    config: Fields, other: Fields, *pairs: tuple[str, bool | str, str, bool | str]
) -> None:
    """Refuse what tokenizer_config.json says otherwise, where transformers goes by that file."""
    if config.get("tokenizer_class") not in _REBUILT:
        return
    for field, value, name, found in pairs:
        if value != found:
            raise ConversionError(
                f"{config.source}: {field} = {json.dumps(value)} contradicts "
                f"{other.source}: {name} = {json.dumps(found)}; make them agree"
            )


def _refuse_more_tokens(checkpoint: Checkpoint, config: Fields, known: list[str]) -> None:
    """Refuse tokens that transformers adds to those that were read, and a cut at the left."""
    config.require("truncation_side", "right", default="right")
    more: list[tuple[str, str, Any]] = []
    for name in ("additional_special_tokens", "extra_special_tokens"):
        value = config.get(name, [])
        more += [
            (config.source, f"{name}: ", one.get("content") if isinstance(one, dict) else one)
            for one in (value.values() if isinstance(value, dict) else config.list(name))
        ]
    if "added_tokens_decoder" in config:
        decoder = config.nested("added_tokens_decoder")
        for one in decoder.values.values():
            content = Fields(one, decoder.source).get("content")
            more.append((config.source, "added_tokens_decoder: ", content))
    else:
        file = checkpoint.optional_fields("added_tokens.json")
        more += [(file.source, "", one) for one in file.values]
    for source, name, token in more:
        if token not in known:
            raise ConversionError(
                f"{source}: {name}token {json.dumps(token)} is not among the added tokens that are "
                "read; save the tokenizer again, with a tokenizer.json"
            )


def _read_vocabulary(checkpoint: Checkpoint) -> Tokenizer:
    path = checkpoint.path("vocab.txt")
    try:
        # As in the reference, a line ends at a line feed alone, and loses its trailing space.
        lines = [line.rstrip() for line in path.read_bytes().decode("utf-8").split("\n")]
    except (OSError, ValueError) as error:
        raise ConversionError(f"{path}: not readable as UTF-8 text: {error}") from None
    if lines[-1] == "":
        lines.pop()
    tokens = dict(enumerate(lines))
    config = checkpoint.optional_fields("tokenizer_config.json")
    config.require("do_basic_tokenize", True, default=True)
    config.require("never_split", [], default=[])
    # transformers reads this file's tokens only where the newer field is not.
    legacy = checkpoint.optional_fields("special_tokens_map.json")
    special = {
        name: _content(
            legacy if name in legacy and "added_tokens_decoder" not in config else config, name
        )
        for name in ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
    }
    ids = {token: one for one, token in tokens.items()}
    added = {ids[token]: 0 for token in special.values() if token in ids}
    decoder = (
        config.nested("added_tokens_decoder").values if "added_tokens_decoder" in config else {}
    )
    for key, entry in decoder.items():
        token = Fields(entry, f"{config.source}: added_tokens_decoder")
        one = _token_id(int(key) if key.isdecimal() and len(key) <= 10 else key, token.source)
        tokens[one] = token.string("content")
        added[one] = _flags(token)
    _refuse_more_tokens(checkpoint, config, [tokens[one] for one in added])
    lowercase = config.flag("do_lower_case", True)
    return Tokenizer(
        tokens=tokens,
        added=added,
        lowercase=lowercase,
        strip_accents=config.flag("strip_accents", lowercase),
        clean_text=True,
        split_cjk=config.flag("tokenize_chinese_chars", True),
        max_word_length=100,
        subword_prefix="##",
        unknown=special["unk_token"],
        cls=special["cls_token"],
        sep=special["sep_token"],
        source=str(path),
    )


def _content(config: Fields, name: str) -> str:
    """Return a special token, which older files write as an object."""
    value = config.get(name, f"[{name.removesuffix('_token').upper()}]")
    return (
        str(value["content"])
        if isinstance(value, dict) and "content" in value
        else config.string(name, str(value))
    )
