"""The fake server: real gRPC on a free loopback port, verdicts as scripted, a record in a dict."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from onrecord import _answer, _request
from onrecord._channel import MAX_REQUEST_BYTES
from onrecord.async_client import AsyncClient
from onrecord.client import Client
from onrecord.errors import OnrecordError
from onrecord.testing._record import Record, collection_of, invalid
from onrecord.testing._service import StatementService
from onrecord.testing._wire import Failure, abort, error_status
from onrecord.types import CheckOptions, Claim, Reason, Relation, Statement, Verdict
from onrecord.v1 import check_service_pb2 as pb
from onrecord.v1 import check_service_pb2_grpc as check_grpc
from onrecord.v1 import server_info_service_pb2 as info_pb
from onrecord.v1 import server_info_service_pb2_grpc as info_grpc
from onrecord.v1 import statement_service_pb2_grpc as record_grpc

MODEL_ID = "onrecord.testing"


@dataclass(frozen=True, slots=True)
class CheckCall:
    """A claim that the server was asked to check. `method`: the RPC, as CheckClaim or StreamCheckClaims."""

    claim: Claim
    collection: str
    options: CheckOptions
    method: str


@dataclass(frozen=True, slots=True)
class _Rule:
    matches: Callable[[str], bool]
    answer: pb.CheckResult | OnrecordError


class FakeServer:
    """An onrecord server for tests, in this process. Use it as a context manager, or `start` and `stop` it.

    It answers every check as told by `says` and `fails`, else with `otherwise`; keeps the statements and collections
    that it is given, without searching them; scores every pair as neutral; and remembers what it was asked (`checks`).
    It reads no documents (ingest raises ServerError) and refuses no text that a real server would.
    """

    def __init__(self, *, otherwise: Verdict | str = Verdict.NOT_ENOUGH_EVIDENCE) -> None:
        self.checks: list[CheckCall] = []
        """Every claim it was asked to check, in the order they came."""
        self.record = Record()
        self._otherwise = Verdict(otherwise)
        self._rules: list[_Rule] = []
        self._next: deque[OnrecordError] = deque()
        self._server: grpc.Server | None = None
        self._health = health.HealthServicer()
        self._port = 0
        self._lock = threading.Lock()

    # scripting

    def says(
        self,
        claim: str | re.Pattern[str],
        verdict: Verdict | str,
        *,
        confidence: float = 0.9,
        reason: Reason | str | None = None,
        evidence: Iterable[str | Statement] = (),
        explanation: str = "",
    ) -> None:
        """Answer a claim with this verdict from now on. The rule given last wins.

        claim: the whole text of it, or a pattern to be found in it. evidence: statements that support the claim
        (contradict it, with CONTRADICTED; leave it open, with NOT_ENOUGH_EVIDENCE).
        """
        verdict = Verdict(verdict)
        result = pb.CheckResult(
            verdict=pb.Verdict.Value(f"VERDICT_{verdict.value}"),
            confidence=confidence,
            reason=pb.Reason.Value(f"REASON_{Reason(reason).value}") if reason else pb.REASON_UNSPECIFIED,
            explanation=explanation or f"Scripted: {verdict.value}.",
            evidence=[_evidence(item, verdict) for item in evidence],
            provenance=pb.Provenance(model_id=MODEL_ID, model_revision="1"),
        )
        for item in result.evidence:
            name = item.statement.speaker.name
            if item.relation == pb.RELATION_SUPPORTS and name not in result.supporting_speakers:
                result.supporting_speakers.append(name)
            if item.relation == pb.RELATION_CONTRADICTS and name not in result.contradicting_speakers:
                result.contradicting_speakers.append(name)
        self._rules.append(_Rule(_matcher(claim), result))

    def fails(self, claim: str | re.Pattern[str], error: OnrecordError | type[OnrecordError]) -> None:
        """Answer a claim with this error, or one of this class, from now on, in its place where it is one of many."""
        self._rules.append(_Rule(_matcher(claim), _error(error)))

    def fails_next(self, *errors: OnrecordError | type[OnrecordError]) -> None:
        """Fail the next calls as a whole, whatever they ask, each with one of these errors, or one of these classes.

        A client repeats calls that fail with Unavailable or Overloaded by itself, up to three times.
        """
        self._next.extend(map(_error, errors))

    # running

    @property
    def target(self) -> str:
        """Its address; the same one after a restart."""
        return f"127.0.0.1:{self._port}"

    def client(self, **options: Any) -> Client:
        """A client for it; options as of `onrecord.Client`."""
        return Client(self.target, **options)

    def async_client(self, **options: Any) -> AsyncClient:
        """A client for it that awaits."""
        return AsyncClient(self.target, **options)

    def start(self) -> None:
        """Listen. Idempotent; after `stop` on the same port as before."""
        if self._server is not None:
            return
        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", MAX_REQUEST_BYTES)]
        server = grpc.server(futures.ThreadPoolExecutor(16, thread_name_prefix="onrecord-fake"), options=options)
        check_grpc.add_CheckServiceServicer_to_server(_Checks(self), server)
        record_grpc.add_StatementServiceServicer_to_server(StatementService(self.record, self.fail_if_told), server)
        info_grpc.add_ServerInfoServiceServicer_to_server(_Info(self), server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        self.serving(True)
        self._port = server.add_insecure_port(f"127.0.0.1:{self._port}")
        server.start()
        self._server = server

    def stop(self) -> None:
        """Break off what is under way and listen no more, as a server that is killed. Idempotent."""
        server, self._server = self._server, None
        if server is not None:
            server.stop(None).wait()

    def serving(self, yes: bool) -> None:
        """What its health says: SERVING, or NOT_SERVING as while models load."""
        status = health_pb2.HealthCheckResponse
        self._health.set("", status.SERVING if yes else status.NOT_SERVING)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # what its services ask

    def fail_if_told(self, context: grpc.ServicerContext) -> None:
        """End the call when `fails_next` has said so."""
        with self._lock:
            error = self._next.popleft() if self._next else None
        if error is not None:
            abort(context, error)

    def outcome(self, parent: str, claim: pb.Claim, options: pb.CheckOptions, method: str) -> pb.CheckResult:
        """The result for a claim, or Failure."""
        if not claim.text:
            raise Failure(invalid("claim.text", "is empty", "REQUIRED"))
        narrowed = _answer.statement_filter(claim.filter) if claim.HasField("filter") else None
        asked = Claim(claim.text, claim.speaker, _answer.time(claim, "as_of"), narrowed)
        with self._lock:
            self.checks.append(CheckCall(asked, collection_of(parent), _answer.options(options), method))
        for rule in reversed(self._rules):
            if rule.matches(claim.text):
                if isinstance(rule.answer, OnrecordError):
                    raise Failure(rule.answer)
                return rule.answer
        return pb.CheckResult(
            verdict=pb.Verdict.Value(f"VERDICT_{self._otherwise.value}"),
            confidence=0.5,
            explanation="Nothing was scripted for this claim.",
            provenance=pb.Provenance(model_id=MODEL_ID, model_revision="1"),
        )


def _error(given: object) -> OnrecordError:
    """The error itself; of a class, one that says that it was scripted. TypeError for anything else."""
    if isinstance(given, type) and issubclass(given, OnrecordError):
        return given(f"Scripted: {given.__name__}.")
    if not isinstance(given, OnrecordError):
        raise TypeError(f"needs an error of onrecord.errors, or its class, not {given!r}")
    return given


def _matcher(claim: str | re.Pattern[str]) -> Callable[[str], bool]:
    if isinstance(claim, re.Pattern):
        return lambda text: claim.search(text) is not None
    return lambda text: text == claim


def _evidence(item: str | Statement, verdict: Verdict) -> pb.Evidence:
    relation, scores = {
        Verdict.SUPPORTED: (Relation.SUPPORTS, (0.9, 0.08, 0.02)),
        Verdict.CONTRADICTED: (Relation.CONTRADICTS, (0.02, 0.08, 0.9)),
    }.get(verdict, (Relation.NEUTRAL, (0.1, 0.8, 0.1)))
    fields = _request.Fields()
    statement = _request.statement(fields, _request.draft(item, None))
    fields.check()
    return pb.Evidence(
        statement=statement,
        relation=pb.Relation.Value(f"RELATION_{relation.value}"),
        scores=pb.NliScores(entailment=scores[0], neutral=scores[1], contradiction=scores[2]),
        similarity=0.8,
        quote=statement.text,
    )


class _Checks(check_grpc.CheckServiceServicer):
    def __init__(self, fake: FakeServer) -> None:
        self._fake = fake

    def CheckClaim(self, request: pb.CheckClaimRequest, context: grpc.ServicerContext) -> pb.CheckClaimResponse:
        self._fake.fail_if_told(context)
        try:
            result = self._fake.outcome(request.parent, request.claim, request.options, "CheckClaim")
        except Failure as failure:
            abort(context, failure.error)
        return pb.CheckClaimResponse(result=result)

    def BatchCheckClaims(
        self, request: pb.BatchCheckClaimsRequest, context: grpc.ServicerContext
    ) -> pb.BatchCheckClaimsResponse:
        self._fake.fail_if_told(context)
        answer = pb.BatchCheckClaimsResponse()
        for claim in request.claims:
            item = answer.items.add()
            try:
                item.result.CopyFrom(self._fake.outcome(request.parent, claim, request.options, "BatchCheckClaims"))
            except Failure as failure:
                item.error.CopyFrom(error_status(failure.error))
        return answer

    def StreamCheckClaims(
        self, request_iterator: Iterator[pb.StreamCheckClaimsRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.StreamCheckClaimsResponse]:
        self._fake.fail_if_told(context)
        for index, request in enumerate(request_iterator):
            answer = pb.StreamCheckClaimsResponse(index=index)
            try:
                answer.result.CopyFrom(
                    self._fake.outcome(request.parent, request.claim, request.options, "StreamCheckClaims")
                )
            except Failure as failure:
                answer.error.CopyFrom(error_status(failure.error))
            yield answer

    def ReplayCheck(self, request: pb.ReplayCheckRequest, context: grpc.ServicerContext) -> pb.ReplayCheckResponse:
        self._fake.fail_if_told(context)
        parent = request.parent or request.result.provenance.collection
        try:
            now = self._fake.outcome(parent, request.claim, request.result.provenance.options, "ReplayCheck")
        except Failure as failure:
            abort(context, failure.error)
        then = request.result
        same = (now.verdict, now.reason) == (then.verdict, then.reason)
        return pb.ReplayCheckResponse(result=now, same=same)

    def ScorePairs(self, request: pb.ScorePairsRequest, context: grpc.ServicerContext) -> pb.ScorePairsResponse:
        self._fake.fail_if_told(context)
        score = pb.PairScore(scores=pb.NliScores(entailment=0.1, neutral=0.8, contradiction=0.1))
        return pb.ScorePairsResponse(scores=[score] * len(request.pairs), model_id=MODEL_ID, model_revision="1")


class _Info(info_grpc.ServerInfoServiceServicer):
    def __init__(self, fake: FakeServer) -> None:
        self._fake = fake

    def GetServerInfo(
        self, request: info_pb.GetServerInfoRequest, context: grpc.ServicerContext
    ) -> info_pb.GetServerInfoResponse:
        self._fake.fail_if_told(context)
        model = info_pb.ModelInfo(
            model_id=MODEL_ID, revision="1", labels=["entailment", "neutral", "contradiction"], fake=True
        )
        return info_pb.GetServerInfoResponse(
            version="fake", model=model, encoder=model, store="memory", statement_count=len(self._fake.record)
        )
