"""How long the model takes, and how long a caller is in, learnt from what it took. Pure."""

from __future__ import annotations

import math

_MEMORY = 0.98  # weight of what was seen before, a batch
_LONG_MEMORY = 0.99  # the same, a caller: what it teaches is about those who were let in a while ago
_LATE = 0.03  # share of callers who may be in for longer than was foreseen
# Seconds in which half of what is added is forgotten, where nobody was late for a while: those who are refused teach
# nothing, and after a machine has stood still nearly everybody is
_HALF_LIFE = 3.0
_A_WHILE = 3.0
_CLIP = 4.0  # mean deviations, and a moment, that a caller may be off by and count in full
_MOMENT = 0.05  # seconds
_STEP = 0.5  # mean deviations by which what is added for that moves, most of it at each who is
_NEEDED = 3  # batches of different sizes before anything is promised


class Pace:
    """Seconds of a batch as a fixed part and a part for each token: least squares over the latest batches.

    Older batches weigh less by 2 % each, unless told otherwise. Both parts are never negative. Until three batches have
    been seen, what it says is a guess and `measured` is false.
    """

    def __init__(self, tokens_per_second: float, memory: float = _MEMORY) -> None:
        """tokens_per_second: the guess. `fixed`: seconds of any batch; `each`: seconds of a token."""
        self.fixed = 0.0
        self.each = 1.0 / tokens_per_second
        self._memory = memory
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
        return 1.0 / self.each

    def saw(self, tokens: int, seconds: float) -> None:
        """A batch of so many tokens, 1 or more, took so long."""
        x, y = float(max(tokens, 1)), max(seconds, 1e-6)
        self._seen += 1
        self._n, self._x, self._y, self._xx, self._xy = (
            old * self._memory + new
            for old, new in zip((self._n, self._x, self._y, self._xx, self._xy), (1.0, x, y, x * x, x * y), strict=True)
        )
        spread = self._n * self._xx - self._x * self._x
        each = (self._n * self._xy - self._x * self._y) / spread if spread > 1e-3 * self._x * self._x else 0.0
        fixed = (self._y - each * self._x) / self._n
        if each <= 0 or fixed >= self._y / self._n:  # all of one size: no telling the parts apart
            self.fixed, self.each = 0.0, self._y / self._x
        elif fixed < 0:
            self.fixed, self.each = 0.0, self._xy / self._xx
        else:
            self.fixed, self.each = fixed, each

    def seconds(self, tokens: int, batch_tokens: int) -> float:
        """How long so many tokens take, in batches of `batch_tokens`. 0 for none."""
        return math.ceil(tokens / batch_tokens) * self.fixed + tokens * self.each if tokens > 0 else 0.0


class Foresight:
    """How long callers are really in, by what the queue alone would let one expect.

    Beside the model a caller waits for the search, for Python and for other programs on the machine; all of that grows
    with load. A fixed part and a factor are learnt as in Pace, and what all but `_LATE` of the callers stay below that
    line by (a quantile by stochastic approximation: Robbins and Monro, 1951): a caller who is let in is to be done in
    time nearly always, not every other time. What is far off counts less (as Huber, 1964): all who were in while the
    machine stood still would teach the same once each. Instants are of one clock, seconds.
    """

    def __init__(self) -> None:
        self._line = Pace(1.0, _LONG_MEMORY)  # "tokens" are milliseconds expected
        self._deviation = 0.0
        self._margin = 0.0
        self._at = 0.0  # when the margin was that
        self._late_at = -math.inf  # when somebody was in for longer than was foreseen

    def saw(self, expected: float, took: float, now: float) -> None:
        """A caller who was expected to be in so long, in seconds, was in for so long."""
        x = round(1e3 * expected)
        if self._line.measured:
            self._margin, self._at = self._margin_at(now), now
            line, most = self._seconds(x), _CLIP * self._deviation + _MOMENT
            took = min(max(took, line - most), line + most)
            off = took - line
            self._deviation = _LONG_MEMORY * self._deviation + (1 - _LONG_MEMORY) * abs(off)
            step = _STEP * self._deviation
            if off > self._margin:
                self._margin += step * (1 - _LATE)
                self._late_at = now
            else:
                self._margin = max(0.0, self._margin - step * _LATE)
        self._line.saw(x, took)

    def seconds(self, expected: float, now: float) -> float:
        """How long a caller may be in for whom the queue says `expected`, in seconds; never less than that."""
        if not self._line.measured:
            return expected
        return max(expected, self._seconds(round(1e3 * expected)) + self._margin_at(now))

    def _margin_at(self, now: float) -> float:
        since = max(self._at, self._late_at + _A_WHILE)
        return self._margin * math.exp2(-max(0.0, now - since) / _HALF_LIFE)

    def _seconds(self, x: int) -> float:
        return self._line.fixed + self._line.each * x
