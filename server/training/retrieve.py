"""TF-IDF retrieval over a record: what mining and the end-to-end check use, simple on purpose.

The service retrieves better; hard negatives only need to look like what a retriever brings up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfVectorizer


class Index:
    """Words and word pairs, sublinear counts, cosine; a word of one or two letters counts, too (names, numbers)."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._vectorizer: Any = TfidfVectorizer(
            sublinear_tf=True,
            token_pattern=r"\w+",  # noqa: S106 - a word, not a secret
            stop_words="english",
            dtype=np.float32,
        )
        self._matrix: Any = self._vectorizer.fit_transform(texts).T.tocsc()

    def nearest(self, queries: Sequence[str], top: int) -> npt.NDArray[np.int64]:
        """Row numbers of the `top` best texts for each query, best first; ties go to the lower row."""
        found = np.zeros((len(queries), top), np.int64)
        vectors = self._vectorizer.transform(queries)
        for start in range(0, len(queries), 256):
            scores = (vectors[start : start + 256] @ self._matrix).toarray()
            best = np.argpartition(-scores, top, axis=1)[:, :top]
            for r, (row, columns) in enumerate(zip(scores, best, strict=True)):
                found[start + r] = columns[np.lexsort((columns, -row[columns]))]
        return found
