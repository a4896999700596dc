"""Models for `python brittle_models.py SOCKETS…`, a keeper of model processes: they do what their input says.

An id that is a key of WAYS ends the batch in its way. The tokenizer makes an id of each word: its place in WORDS.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from onrecord_server.domain.errors import ConfigError, ModelError, ModelUnusable
from onrecord_server.domain.types import ModelInfo, Span, TaggedAttribution
from onrecord_server.nli.base import EncodedPair, FloatArray
from onrecord_server.nli.models import ModelChoice
from onrecord_server.nli.processes import child
from onrecord_server.nli.tokens import PairTokenizer

WORDS = ("[UNK]", "plain", "sick", "wrong", "panic", "fatal", "killed", "slow")
INFO = ModelInfo("brittle", "1", ("entailment", "neutral", "contradiction"), max_tokens=64)
SLOW_SECONDS = float(os.environ.get("BRITTLE_SLOW_SECONDS", "0.5"))


class PanicException(BaseException):
    """As a tokenizer written in Rust fails."""


def tokenizer() -> PairTokenizer:
    """A token a word."""
    words = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    return PairTokenizer(words, INFO.max_tokens)


def act(words: set[str]) -> None:
    """Do what the words say."""
    if "sick" in words:
        raise ModelError("the model does not like this")
    if "unusable" in words:
        raise ModelUnusable("weights that are damaged")
    if "wrong" in words:
        raise ValueError("of no use to a caller")
    if "panic" in words:
        raise PanicException("in Rust")
    if "fatal" in words:
        raise SystemExit(3)
    if "killed" in words:
        os.kill(os.getpid(), signal.SIGKILL)
    if "slow" in words:
        time.sleep(SLOW_SECONDS)


class Brittle:
    """Both models. A pair's probabilities: a hundredth of its tokens, whether it is unread, and the rest.

    A text's vector: the process, and its length.
    """

    info = INFO
    dimension = 2
    padding_tokens = 0

    def score(self, batch: Sequence[EncodedPair]) -> FloatArray:
        """See PairScorer."""
        act({WORDS[i] for pair in batch for i in pair.ids})
        self.padding_tokens += len(batch)
        said = np.array([(len(pair) / 100, pair.unread / 10) for pair in batch], np.float32)
        return np.column_stack([said, 1 - said.sum(axis=1)]).astype(np.float32)

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """See TextEncoder."""
        act({word for text in texts for word in text.split()})
        return np.array([(os.getpid(), len(text)) for text in texts], np.float32)


class BrittleTagger:
    """Finds the text's first sentence, with the process's number for a confidence, and the hints."""

    def tag(self, text: str, sentences: Sequence[Span], hints: Sequence[TaggedAttribution]) -> list[TaggedAttribution]:
        """See Tagger."""
        act(set(text.split()))
        return [TaggedAttribution(None, sentences[0], (), os.getpid()), *hints]


def load(choice: ModelChoice, sockets: int) -> child.Loaded:
    """See child.Load. The model's name says how it goes."""
    if choice.model == "unusable":
        raise ModelUnusable("nothing there")
    if choice.model == "config":
        raise ConfigError("no such device")
    if choice.model == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if choice.model == "slow":
        time.sleep(60)
    if choice.model == "talks":
        logging.getLogger("onrecord_server.brittle").info("loaded %s", "as asked")
    about = {
        "model": asdict(INFO),
        "encoder": asdict(INFO),
        "dimension": Brittle.dimension,
        "folder": choice.encoder,
        "tokenizer": tokenizer().to_json(),
        "batch_tokens": 32,
    }
    models, single = Brittle(), choice.model == "single"
    return child.Loaded(models, models, 1 if single else sockets, not single, about)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    sys.exit(child.keep(sys.argv[1:], load, BrittleTagger))
