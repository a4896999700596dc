"""Carries out plans and flows by waiting. `onrecord._aio.driver` does the same by awaiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any, TypeVar

from onrecord import _request
from onrecord._flow import Again, Flow, Outcome
from onrecord._request import not_many
from onrecord._steps import END, Call, Close, Health, Open, Pause, Plan, Receive, Step
from onrecord._sync.exchange import Exchange, TurnByTurn
from onrecord._transport import Transport
from onrecord.errors import OnrecordError
from onrecord.types import Progress
from onrecord.v1 import check_service_pb2 as pb

Result = TypeVar("Result")
Item = TypeVar("Item")


class Driver:
    """What the methods of a client are made with."""

    _transport: Transport
    _timeout: float | None
    _batch_timeout: float | None

    def _limit(self, timeout: float | None) -> float | None:
        return self._timeout if timeout is None else _request.seconds("timeout", timeout)

    def _batch_limit(self, timeout: float | None) -> float | None:
        return self._batch_timeout if timeout is None else _request.seconds("timeout", timeout)

    def _items(self, field: str, items: Iterable[Item]) -> Iterator[Item]:
        """The caller's items; InvalidArgument for one item in the place of many: a str would be read by its letters."""
        if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
            raise not_many(field, items)
        return iter(items)

    def _run(self, plan: Plan[Result], items: Iterator[Any] | None = None) -> Result:
        """The plan's result. `items`: what it pulls."""
        came: Any = None
        failure: BaseException | None = None
        while True:
            try:
                step = plan.send(came) if failure is None else plan.throw(failure)
            except StopIteration as done:
                result: Result = done.value
                return result
            came, failure = None, None
            try:
                came = self._carry_out(step, items)
            except BaseException as error:  # the plan decides what it means
                failure = error

    def _carry_out(self, step: Step, items: Iterator[Any] | None) -> Any:
        if isinstance(step, Call):
            method = getattr(getattr(self._transport, step.service), step.method)
            return self._transport.call(method, step.request, step.timeout)
        if isinstance(step, Open):
            return Exchange(self._transport, step) if self._transport.buffers else TurnByTurn(self._transport, step)
        if isinstance(step, Receive):
            return step.exchange.receive()
        if isinstance(step, Close):
            return step.exchange.close()
        if isinstance(step, Health):
            return self._transport.health(step.timeout)
        if isinstance(step, Pause):
            return time.sleep(step.seconds)
        return END if items is None else next(items, END)

    def _answers(self, call: Call, convert: Callable[[Any], Iterable[Result]]) -> Iterator[Result]:
        """What a method that answers with a stream says, converted."""
        method = getattr(getattr(self._transport, call.service), call.method)
        for answer in self._transport.stream(method, call.request, call.timeout):
            yield from convert(answer)

    def _flow(
        self,
        flow: Flow,
        claims: Iterator[Any],
        progress: Callable[[Progress], object] | None = None,
        waiting: Callable[[OnrecordError, float], object] | None = None,
    ) -> Generator[Outcome, None, None]:
        """The flow's outcomes, over as many streams as it takes."""
        pump = _Pump(flow, claims, bounded=self._transport.buffers)
        try:
            while True:
                try:
                    with closing(self._over_one_stream(pump)) as outcomes:
                        for outcome in outcomes:
                            if progress is not None:
                                progress(flow.progress())
                            yield outcome
                    return
                except Again as again:
                    pause = again.seconds
                    if waiting is not None and again.error is not None:
                        waiting(again.error, again.since)
                time.sleep(pause)
        finally:
            pump.stop()

    def _over_one_stream(self, pump: _Pump) -> Generator[Outcome, None, None]:
        method = self._transport.checks.StreamCheckClaims
        answers = self._transport.stream(method, pump.requests(), pump.flow.timeout)
        try:
            while True:
                try:
                    answer = next(answers, None)
                except OnrecordError as error:
                    failure = pump.broke(error)
                    break
                if answer is None:
                    ended = pump.closed()
                    if ended is None:
                        return
                    failure = ended
                    break
                yield pump.answered(answer)
        finally:
            pump.stop()
            answers.close()
        raise failure


class _Pump:
    """Shares a flow between the thread that takes outcomes and gRPC's own, which reads claims and sends them.

    Each stream has a thread; one that is done for may still wait for the caller's iterable, so only one reads at a
    time, and what it reads is sent by whoever has the present stream.
    """

    def __init__(self, flow: Flow, claims: Iterator[Any], *, bounded: bool) -> None:
        self.flow = flow
        self._claims = claims
        self._bounded = bounded
        self._changed = threading.Condition()
        self._turn = 0
        self._reading = False
        self._raised: BaseException | None = None

    def requests(self) -> Iterator[pb.StreamCheckClaimsRequest]:
        """Messages for a new stream, which takes over from the one before."""
        with self._changed:
            self._turn += 1
            self.flow.begin()
            turn = self._turn
        return self._requests(turn)

    def answered(self, answer: pb.StreamCheckClaimsResponse) -> Outcome:
        """See `Flow.answered`."""
        with self._changed:
            outcome = self.flow.answered(answer)
            self._changed.notify_all()
            return outcome

    def broke(self, error: OnrecordError) -> BaseException:
        """See `Flow.broke`."""
        with self._changed:
            self._turn += 1
            return self.flow.broke(error)

    def closed(self) -> BaseException | None:
        """See `Flow.closed`. What the caller's iterable raised comes after the outcomes before it."""
        with self._changed:
            self._turn += 1
            return self.flow.closed() or self._raised

    def stop(self) -> None:
        """Let the sending thread go."""
        with self._changed:
            self._turn += 1
            self._changed.notify_all()

    def _requests(self, turn: int) -> Iterator[pb.StreamCheckClaimsRequest]:
        while True:
            with self._changed:
                while True:
                    if turn != self._turn:
                        return
                    if (request := self.flow.to_send()) is not None:
                        break
                    if self.flow.ended:
                        return
                    if not self._reading and (self.flow.has_room or not self._bounded):
                        self._reading = True
                        break
                    self._changed.wait()
            if request is not None:
                yield request
            else:
                self._read()

    def _read(self) -> None:
        """One claim. gRPC would only log what the iterable raises, so it is kept."""
        claim: Any = END
        raised: BaseException | None = None
        try:
            claim = next(self._claims, END)
        except BaseException as error:
            raised = error
        with self._changed:
            if claim is END:
                self.flow.ended, self._raised = True, raised
            else:
                self.flow.read(claim)
            self._reading = False
            self._changed.notify_all()
