"""How long the model takes, learnt from what it took. Pure."""

from __future__ import annotations

import math

_MEMORY = 0.95  # weight of what was seen before, a batch
_NEEDED = 3  # batches of different sizes before anything is promised


class Pace:
    """Seconds of a batch as a fixed part and a part for each token: least squares over the latest batches.

    Older batches weigh less by 5 % each. Both parts are never negative. Until three batches have been seen, what it
    says is a guess and `measured` is false.
    """

    def __init__(self, tokens_per_second: float) -> None:
        """tokens_per_second: the guess."""
        self._fixed = 0.0
        self._each = 1.0 / tokens_per_second
        self._seen = 0
        self._n = self._x = self._y = self._xx = self._xy = 0.0

    @property
    def batches(self) -> int:
        """How many were seen."""
        return self._seen

    @property
    def measured(self) -> bool:
        """Whether enough batches were seen to refuse somebody because of it."""
        return self._seen >= _NEEDED

    @property
    def tokens_per_second(self) -> float:
        """Without the fixed part, which full batches hardly feel."""
        return 1.0 / self._each

    def saw(self, tokens: int, seconds: float) -> None:
        """A batch of so many tokens, 1 or more, took so long."""
        x, y = float(max(tokens, 1)), max(seconds, 1e-6)
        self._seen += 1
        self._n, self._x, self._y, self._xx, self._xy = (
            old * _MEMORY + new
            for old, new in zip((self._n, self._x, self._y, self._xx, self._xy), (1.0, x, y, x * x, x * y), strict=True)
        )
        spread = self._n * self._xx - self._x * self._x
        each = (self._n * self._xy - self._x * self._y) / spread if spread > 1e-3 * self._x * self._x else 0.0
        fixed = (self._y - each * self._x) / self._n
        if each <= 0 or fixed >= self._y / self._n:  # all of one size: no telling the parts apart
            self._fixed, self._each = 0.0, self._y / self._x
        elif fixed < 0:
            self._fixed, self._each = 0.0, self._xy / self._xx
        else:
            self._fixed, self._each = fixed, each

    def seconds(self, tokens: int, batch_tokens: int) -> float:
        """How long so many tokens take, in batches of `batch_tokens`. 0 for none."""
        return math.ceil(tokens / batch_tokens) * self._fixed + tokens * self._each if tokens > 0 else 0.0
