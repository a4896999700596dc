"""A tagger that is loaded when the first document comes: most servers check far more than they ingest."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from onrecord_server.domain.types import Span, TaggedAttribution

logger = logging.getLogger(__name__)


class Tagger(Protocol):
    """Finds attributions in a text."""

    def tag(self, text: str, sentences: Sequence[Span], hints: Sequence[TaggedAttribution]) -> list[TaggedAttribution]:
        """The attributions of a text, by their cues' places."""
        ...


class LazyTagger:
    """Loads at the first call. A load that failed is tried again at the next. Safe from any thread."""

    def __init__(self, load: Callable[[], Tagger]) -> None:
        self._load = load
        self._tagger: Tagger | None = None
        self._turn = threading.Lock()

    def tag(self, text: str, sentences: Sequence[Span], hints: Sequence[TaggedAttribution]) -> list[TaggedAttribution]:
        """See Tagger. Raises ModelUnusable when the tagger cannot be loaded, ModelError when it fails on the text."""
        with self._turn:
            if self._tagger is None:
                self._tagger = self._load()
                logger.info("attribution tagger loaded")
                # out of the collector's sight: looking through torch's objects takes 70 ms, without any answer
                gc.collect()
                gc.freeze()
        return self._tagger.tag(text, sentences, hints)
