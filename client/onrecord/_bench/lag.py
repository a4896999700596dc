"""How late the generator itself was, so that it is not taken for a slow server."""

from __future__ import annotations

import asyncio
import time
from array import array

from onrecord._bench.intervals import percentile

EVERY = 0.01  # seconds between two looks
BUSY = 0.9
"""From this share of one core on, the generator may be what is slow: all it does is done on one thread."""
LATE_MS = 5.0
LATE_SHARE = 0.2


class Lag:
    """Delays of the generator in one measured window."""

    def __init__(self) -> None:
        self._loop_ms = array("d")  # how much later than asked for the event loop woke a sleeper
        self._send_ms = array("d")  # how much later than due calls were sent
        self._began: tuple[float, float] | None = None  # wall and CPU of the event loop's thread
        self._busy: float | None = None

    async def meter(self, begin: float) -> None:
        """Look every hundredth of a second, from `begin` (the loop's time) until cancelled."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, begin - loop.time()))
        self._began = (time.perf_counter(), time.thread_time())
        while self._busy is None:
            asked = loop.time() + EVERY
            await asyncio.sleep(EVERY)
            self._loop_ms.append(max(0.0, loop.time() - asked) * 1_000)

    def sent(self, seconds: float) -> None:
        """A call was sent so much later than it was due."""
        self._send_ms.append(seconds * 1_000)

    def end(self) -> None:
        """The window is over."""
        if self._began is not None:
            wall, cpu = time.perf_counter() - self._began[0], time.thread_time() - self._began[1]
            self._busy = cpu / wall if wall > 0 else 0.0

    @property
    def busy(self) -> float:
        """CPU time of the event loop's thread over wall time: 1 is one core, all that there is for it."""
        return self._busy or 0.0

    def to_dict(self) -> dict[str, object]:
        """For JSON: medians, p99 and largest, in milliseconds."""
        return {
            "cpu_share": round(self.busy, 3),
            "loop_delay_ms": _summary(self._loop_ms),
            "send_delay_ms": _summary(self._send_ms),
        }

    def warning(self, median_latency_ms: float | None) -> str | None:
        """Why the figures of this window may be the generator's own, if they may."""
        if self.busy > BUSY:
            return (
                f"the generator used {100 * self.busy:.0f} % of the one core that it can use and may be what is slow; "
                "offer less, or run several generators at once"
            )
        late = percentile(sorted(self._loop_ms), 0.99).value if self._loop_ms else 0.0
        if median_latency_ms is not None and late > max(LATE_MS, LATE_SHARE * median_latency_ms):
            return (
                f"the generator itself was up to {late:.0f} ms late (p99): that much of the latencies may be its own; "
                "run it on another machine, or offer less"
            )
        return None


def _summary(values: array[float]) -> dict[str, float] | None:
    if not values:
        return None
    ordered = sorted(values)
    return {
        "p50": round(percentile(ordered, 0.5).value, 3),
        "p99": round(percentile(ordered, 0.99).value, 3),
        "max": round(ordered[-1], 3),
    }
