"""One meter that tells several."""

from __future__ import annotations

from collections.abc import Sequence

from onrecord_server.checking.meter import Meter, Silent


class Several:
    """A `checking.meter.Meter` that hands on everything, in order."""

    def __init__(self, meters: Sequence[Meter]) -> None:
        self._meters = meters

    def batch(self, kind: str, inputs: int, tokens: int, computed: int, seconds: float) -> None:
        """See Meter.batch."""
        for meter in self._meters:
            meter.batch(kind, inputs, tokens, computed, seconds)

    def cache(self, hits: int, shared: int, misses: int) -> None:
        """See Meter.cache."""
        for meter in self._meters:
            meter.cache(hits, shared, misses)

    def dropped(self, reason: str, inputs: int) -> None:
        """See Meter.dropped."""
        for meter in self._meters:
            meter.dropped(reason, inputs)

    def refused(self, reason: str) -> None:
        """See Meter.refused."""
        for meter in self._meters:
            meter.refused(reason)

    def stage(self, name: str, seconds: float) -> None:
        """See Meter.stage."""
        for meter in self._meters:
            meter.stage(name, seconds)


def one_of(meters: Sequence[Meter]) -> Meter:
    """A meter for all of them: Silent for none, the one itself for one."""
    if not meters:
        return Silent()
    return meters[0] if len(meters) == 1 else Several(meters)
