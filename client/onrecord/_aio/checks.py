"""The methods that check. The waiting client's are generated from these, by `make client`."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TypeVar

from onrecord import _frames, _request, types
from onrecord._aio.driver import AnyIterable, AsyncDriver
from onrecord._flow import MOST_IN_FLIGHT, STREAM_WINDOW, Flow
from onrecord._plans import checks
from onrecord.errors import OnrecordError
from onrecord.types import DEFAULT_COLLECTION, CheckOptions, Claim, StatementFilter

Frame = TypeVar("Frame")


class AsyncChecks(AsyncDriver):
    """Methods of CheckService."""

    async def check(
        self,
        claim: str | Claim,
        *,
        speaker: str | None = None,
        as_of: dt.date | None = None,
        filter: StatementFilter | None = None,
        collection: str = DEFAULT_COLLECTION,
        options: CheckOptions | None = None,
        timeout: float | None = None,
    ) -> types.CheckResult:
        """Check one claim against a collection.

        speaker: who is claimed to have said it, when that does not stand in the claim itself.
        as_of: check against the record as it stood then, an aware datetime or a date (its end, in UTC).
        filter: look only at the statements that pass.
        collection: its id ("default") or resource name ("collections/default").
        """
        return await self._run(checks.check(claim, speaker, as_of, filter, collection, options, self._limit(timeout)))

    async def check_batch(
        self,
        claims: AnyIterable[str | Claim],
        *,
        collection: str = DEFAULT_COLLECTION,
        options: CheckOptions | None = None,
        timeout: float | None = None,
    ) -> list[types.CheckResult | OnrecordError]:
        """Check many claims; one outcome a claim, in their order. A bad claim is an error in its place.

        Sent in messages of at most 256 claims and 3.5 MB, each with `timeout` (default: the client's batch_timeout).
        When a message fails as a whole, its error is raised if nothing was checked yet; otherwise it stands in the
        place of each claim that was left unchecked, and no further message is sent.
        """
        items = self._items("claims", claims)
        return await self._run(checks.check_batch(collection, options, self._batch_limit(timeout)), items)

    def check_stream(
        self,
        claims: AnyIterable[str | Claim],
        *,
        collection: str = DEFAULT_COLLECTION,
        options: CheckOptions | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[types.CheckResult | OnrecordError]:
        """Check any number of claims over one stream; one outcome a claim, in their order, as soon as it is there.

        Nothing is collected: the iterable is read as the server takes the claims, at most 1,024 ahead of the outcomes
        taken, and the server waits for a caller who takes outcomes slowly. A bad claim is an error in its place. A busy
        server makes the stream wait, and answers single checks first. timeout: seconds for the whole stream, default
        none.

        When the stream itself fails its error is raised; the outcomes before it stand, so go on with the first claim
        that has none, or let `check_many` do that. The iterable is read beside the caller, in another thread or task.
        """
        items = self._items("claims", claims)
        limit = None if timeout is None else _request.seconds("timeout", timeout)
        return self._flow(Flow(collection, options, most=STREAM_WINDOW, timeout=limit), items)

    def check_many(
        self,
        claims: AnyIterable[str | Claim],
        *,
        collection: str = DEFAULT_COLLECTION,
        options: CheckOptions | None = None,
        in_flight: int = 256,
        progress: Callable[[types.Progress], object] | None = None,
        waiting: Callable[[OnrecordError, float], object] | None = None,
        patience: float = 60.0,
        timeout: float | None = None,
    ) -> AsyncIterator[types.CheckResult | OnrecordError]:
        """Check any number of claims, however long that takes; one outcome a claim, in their order.

        As `check_stream`, and besides it goes on where a connection breaks or a server is restarted: claims without an
        outcome are sent again, so that none is lost and none has two. A bad claim is an error in its place.

        in_flight: claims that are read ahead of the outcomes taken, 1 to 65,536.
        progress: called with a `Progress` before each outcome is handed out.
        waiting: called before each wait for a server that is away or full, with its error and the seconds that it has
            been so.
        patience: seconds that the server may be away or full, counted from the last outcome; then that error is raised.
        timeout: seconds without an outcome after which DeadlineExceeded is raised (at the latest after twice as many);
            default: the client's batch_timeout. A slow iterable is waited for without end.
        """
        items = self._items("claims", claims)
        flow = Flow(
            collection,
            options,
            most=_request.whole("in_flight", in_flight, MOST_IN_FLIGHT),
            patience=_request.seconds("patience", patience),
            timeout=self._batch_limit(timeout),
            total=_request.length(claims),
        )
        return self._flow(flow, items, progress, waiting)

    async def check_frame(
        self,
        frame: Frame,
        *,
        column: str = "claim",
        speaker_column: str | None = None,
        as_of_column: str | None = None,
        prefix: str = "",
        collection: str = DEFAULT_COLLECTION,
        options: CheckOptions | None = None,
        in_flight: int = 256,
        progress: Callable[[types.Progress], object] | None = None,
        patience: float = 60.0,
        timeout: float | None = None,
    ) -> Frame:
        """Check the claims of a pandas or polars DataFrame; the same rows in a new frame of the same kind.

        New columns: verdict, confidence, reason; evidence (the first statement's words), evidence_speaker,
        evidence_relation, evidence_name (its resource name); error (why this row could not be checked). What a row has
        not is missing.

        column: the claims. A missing one is an error in its row.
        speaker_column, as_of_column: who is claimed to have said it, and as of when to check; missing values are none.
        prefix: put before the names of the new columns, where the frame has one of them already.
        The others: as in `check_many`.
        """
        table = _frames.Table(frame, column, speaker_column, as_of_column, prefix)
        outcomes = self.check_many(
            table.claims(),
            collection=collection,
            options=options,
            in_flight=in_flight,
            progress=progress,
            patience=patience,
            timeout=timeout,
        )
        filled: Frame = table.filled([outcome async for outcome in outcomes])
        return filled

    async def replay(
        self,
        claim: str | Claim,
        result: types.CheckResult | Mapping[str, object],
        *,
        speaker: str | None = None,
        collection: str = "",
        record_as_now: bool = False,
        timeout: float | None = None,
    ) -> types.Replay:
        """Check a claim again as it was checked then: whether the verdict is the same, and what has changed since.

        claim, speaker: as they were given then; a filter or as_of that the claim lacks is taken from the provenance.
        result: what came of it then, as `check` gave it, or its JSON form (`CheckResult.to_dict`, a line of `onrecord
            batch`). Its verdict and provenance are needed; its evidence is compared with what is on the record now.
        collection: another one than that of then.
        record_as_now: against the record as it is now: does the verdict still hold? Otherwise against that of then, as
            far as it is still known: later statements are not looked at, and those taken back since speak as they did.
        """
        return await self._run(checks.replay(claim, result, speaker, collection, record_as_now, self._limit(timeout)))

    async def score_pairs(
        self, pairs: AnyIterable[tuple[str, str]], *, timeout: float | None = None
    ) -> list[types.PairScore]:
        """What the NLI model alone says of (premise, hypothesis) pairs, in their order. All or an error."""
        items = self._items("pairs", pairs)
        return await self._run(checks.score_pairs(self._batch_limit(timeout)), items)
