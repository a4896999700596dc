"""Texts to token ids. Uses the Rust tokenizer directly, unchanged after loading, so any thread may call it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tokenizers import Encoding, Tokenizer

from onrecord_server.domain.errors import ClaimTooLongForModel, ModelError, ModelUnusable
from onrecord_server.nli.base import EncodedPair


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer.json beside a model's weights, with its own padding and truncation switched off."""
    path = folder / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the Rust side raises bare Exception
        raise ModelUnusable(f"{path}: cannot be read as a tokenizer ({error})") from error
    return bare(tokenizer)


def bare(tokenizer: Tokenizer) -> Tokenizer:
    """Without padding and truncation: batches here are cut and laid out by their owner, who can then say so."""
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def unknown_id(tokenizer: Tokenizer) -> int | None:
    """The token that stands for whatever the vocabulary lacks; None where it lacks nothing (bytes)."""
    for name in (getattr(tokenizer.model, "unk_token", None), "[UNK]", "<unk>"):
        if name is not None and (found := tokenizer.token_to_id(name)) is not None:
            return int(found)
    return None


def _is_word(text: str) -> bool:
    return any(c.isalnum() for c in text)


def window(config: Mapping[str, Any], declared: int | None = None) -> int:
    """Tokens that a model reads at once, specials included. `declared`: what its tokenizer says, where it says so."""
    positions = config.get("max_position_embeddings")
    limit = positions if isinstance(positions, int) and positions > 0 else 512
    if config.get("model_type") in {"roberta", "xlm-roberta", "camembert"}:
        limit -= int(config.get("pad_token_id") or 0) + 1  # these count positions from after the padding id
    return min(limit, declared) if declared else limit


class PairTokenizer:
    """(premise, hypothesis) to EncodedPair. A long premise loses its end; a hypothesis is never cut."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._unknown = unknown_id(tokenizer)
        self.max_tokens = max_tokens

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> list[EncodedPair]:
        """Encode, order kept. Raises ClaimTooLongForModel when a hypothesis leaves no room for a premise."""
        try:
            encodings = self._tokenizer.encode_batch(list(pairs))
        except (TypeError, UnicodeError) as error:
            raise ModelError("a text holds characters that are not valid Unicode") from error
        return [
            replace(
                self._fit(encoding.ids, encoding.sequence_ids), unread=self._is_unread(premise, hypothesis, encoding)
            )
            for (premise, hypothesis), encoding in zip(pairs, encodings, strict=True)
        ]

    def to_json(self) -> str:
        """All of it but max_tokens, for `from_json`."""
        return str(self._tokenizer.to_str())

    @classmethod
    def from_json(cls, text: str, max_tokens: int) -> PairTokenizer:
        """One that does what another does that was loaded elsewhere."""
        return cls(Tokenizer.from_str(text), max_tokens)

    def uses_segments(self) -> bool:
        """Whether this model tells premise and hypothesis apart by token type."""
        return any(self._tokenizer.encode("a", "b").type_ids)

    def _is_unread(self, premise: str, hypothesis: str, encoding: Encoding) -> bool:
        """See EncodedPair. Signs without letters (an emoji in a sentence) count only where there is nothing else."""
        if self._unknown is None or self._unknown not in encoding.ids:
            return False
        folded = premise.casefold()
        read, missing = False, []
        for token, sequence, (start, end) in zip(encoding.ids, encoding.sequence_ids, encoding.offsets, strict=True):
            if sequence != 1:
                continue
            word = hypothesis[start:end]
            if token != self._unknown:
                read = read or _is_word(word)
            elif word.casefold() not in folded:
                missing.append(word)
        return any(map(_is_word, missing)) or bool(missing and not read)

    def _fit(self, ids: list[int], sequences: list[int | None]) -> EncodedPair:
        premise = sequences.count(0)
        # an empty text leaves no token of its own; then only the specials say where it would stand
        start = sequences.index(1) if 1 in sequences else len(ids) - 1
        excess = len(ids) - self.max_tokens
        if excess <= 0:
            return EncodedPair(tuple(ids), start, False)
        if excess >= premise:
            raise ClaimTooLongForModel(
                f"the hypothesis is {sequences.count(1)} tokens long and the model reads {self.max_tokens} "
                f"in all; shorten it"
            )
        end = sequences.index(0) + premise
        return EncodedPair((*ids[: end - excess], *ids[end:]), start - excess, True)
