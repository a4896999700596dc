"""How much of a claim's wording a statement shares: the second half of the topic gate, beside the embeddings.

A true contradiction restates most of the claim and differs in one place; a false one shares a name and little else.
"""

from __future__ import annotations

import functools
import re

_WORD = re.compile(r"\w+")
# Words that any two English sentences share.
_STOP = frozenset(
    """
    a an the in on of at by for to from with as and or is was were are be been it its this that his her he she they
    their which who whose has have had do does did not no than before after
    """.split()  # noqa: SIM905 -- a list of fifty quoted words is harder to read
)
# A word stands for all that begin as it does ("contradicts", "contradiction"): a stem that needs no table.
_STEM = 5


@functools.lru_cache(maxsize=1_024)  # a claim meets each of its candidates, and they come back in other checks
def content_words(text: str) -> frozenset[str]:
    """Stems of the words that carry a text's content, lower case."""
    return frozenset(word[:_STEM] for word in _WORD.findall(text.lower()) if word not in _STOP)


def content_overlap(claim: str, premise: str) -> float:
    """Share of the claim's content words that the premise holds, 0 to 1; 1 for a claim without any."""
    words = content_words(claim)
    return len(words & content_words(premise)) / len(words) if words else 1.0
