"""Every documented limit from both sides, over the wire: what is at it is taken, what is beyond it is not.

docs/limits.md names these tests. A limit without an entry in PROBES or ELSEWHERE fails the suite.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import grpc
import pytest
from google.protobuf.message import Message

from onrecord.v1 import check_service_pb2 as check_pb
from onrecord.v1 import filter_pb2 as filter_pb
from onrecord.v1 import server_info_service_pb2 as info_pb
from onrecord.v1 import statement_pb2 as pb
from onrecord.v1 import statement_service_pb2 as statement_pb
from onrecord_server.app import Engine
from onrecord_server.domain.errors import ExportStalled, Overloaded
from onrecord_server.domain.limits import ALL_LIMITS, Limit
from onrecord_server.domain.types import StatementDraft
from onrecord_server.rpc.services import importing
from onrecord_server.rpc.services.exporting import Exports
from onrecord_server.store import requests

ROOT = Path(__file__).resolve().parents[2]
Probe = Callable[[Any, Any, Limit], Awaitable[None]]


def refused(call: Callable[[Any, int], Awaitable[Any]]) -> Probe:
    """A probe for a limit with a reason: a call with as much as the limit, and one with one more."""

    async def probe(serve: Any, engine: Engine, limit: Limit) -> None:
        wire = await serve(engine.backend)
        await call(wire, limit.value)
        got = await wire.error(call(wire, limit.value + 1))
        assert got.code is grpc.StatusCode.INVALID_ARGUMENT
        assert got.info.reason == "INVALID_FIELDS"
        assert limit.reason in got.fields.values()

    return probe


def create(wire: Any, **fields: Any) -> Awaitable[Any]:
    """Create a statement with these fields."""
    statement = pb.Statement(**{"text": "The harbour was closed.", **fields})
    return wire.statements.CreateStatement(statement_pb.CreateStatementRequest(statement=statement))  # type: ignore[no-any-return]


def check(wire: Any, claim: check_pb.Claim, **options: Any) -> Awaitable[Any]:
    """Check a claim."""
    request = check_pb.CheckClaimRequest(claim=claim, options=check_pb.CheckOptions(**options))
    return wire.checks.CheckClaim(request)  # type: ignore[no-any-return]


def different(count: int) -> list[str]:
    """So many texts, none like another."""
    return [f"Harbour {number} was closed." for number in range(count)]


def import_one(wire: Any, texts: Sequence[str]) -> Awaitable[Any]:
    """Import statements in one message."""
    message = statement_pb.ImportStatementsRequest(statements=[pb.Statement(text=text) for text in texts])
    return wire.statements.ImportStatements(iter([message]))  # type: ignore[no-any-return]


def batch(wire: Any, texts: Sequence[str]) -> Awaitable[Any]:
    """Check claims in one call."""
    claims = [check_pb.Claim(text=text) for text in texts]
    return wire.checks.BatchCheckClaims(check_pb.BatchCheckClaimsRequest(claims=claims))  # type: ignore[no-any-return]


def score(wire: Any, texts: Sequence[str]) -> Awaitable[Any]:
    """Score pairs in one call."""
    pairs = [check_pb.Pair(premise=text, hypothesis=text) for text in texts]
    return wire.checks.ScorePairs(check_pb.ScorePairsRequest(pairs=pairs))  # type: ignore[no-any-return]


def ingest(wire: Any, size: int) -> Awaitable[Any]:
    """Read a document of so many code points."""
    text = ("The harbour was closed in May. " * (size // 31 + 1))[: size - 1] + "."
    return wire.statements.IngestDocument(statement_pb.IngestDocumentRequest(text=text, dry_run=True))  # type: ignore[no-any-return]


def padded(wire: Any, size: int) -> Awaitable[Any]:
    """Ask for the server's description in a message of so many bytes, all of them in a field that nobody knows."""
    head = bytes([0xFA, 0xFF, 0x07])  # field 16,383, length-delimited
    body = size - len(head) - 4
    length = bytes([body & 0x7F | 0x80, body >> 7 & 0x7F | 0x80, body >> 14 & 0x7F | 0x80, body >> 21])
    data = head + length + bytes(body)
    assert len(data) == size
    call = wire.channel.unary_unary("/onrecord.v1.ServerInfoService/GetServerInfo", lambda b: b, _described)
    return call(data)  # type: ignore[no-any-return]


def _described(data: bytes) -> Message:
    return info_pb.GetServerInfoResponse.FromString(data)


def search(wire: Any, query: str = "harbour", **chosen: Any) -> Awaitable[Any]:
    """Search among what passes."""
    request = statement_pb.SearchStatementsRequest(query=query, filter=filter_pb.StatementFilter(**chosen))
    return wire.statements.SearchStatements(request)  # type: ignore[no-any-return]


async def search_results(serve: Any, engine: Engine, limit: Limit) -> None:
    """All pages of a search hold as many as the limit says, whatever there is beyond it."""
    wire = await serve(engine.backend)
    texts = different(limit.value + 100)
    for begin in range(0, len(texts), 500):
        await import_one(wire, texts[begin : begin + 500])
    found, token = 0, ""
    while True:
        request = statement_pb.SearchStatementsRequest(query="harbour closed", page_size=400, page_token=token)
        page = await wire.statements.SearchStatements(request)
        found, token = found + len(page.results), page.next_page_token
        if not token:
            break
    assert found == limit.value


async def page_size(serve: Any, engine: Engine, limit: Limit) -> None:
    """A larger page is read as one of the limit."""
    wire = await serve(engine.backend)
    texts = different(limit.value + 1)
    for begin in range(0, len(texts), 500):
        await import_one(wire, texts[begin : begin + 500])
    for asked in (limit.value, limit.value + 1):
        page = await wire.statements.ListStatements(statement_pb.ListStatementsRequest(page_size=asked))
        assert len(page.statements) == limit.value


async def stream_claims_ahead(serve: Any, engine: Engine, limit: Limit) -> None:
    """As many claims are begun as the limit says while the first has no answer, and not one more."""
    begun, full, gate = 0, asyncio.Event(), asyncio.Event()

    class Held:
        async def check_patiently(self, *arguments: Any, **options: Any) -> Any:
            nonlocal begun
            begun += 1
            if begun == limit.value:
                full.set()
            await gate.wait()
            return await engine.checker.check_patiently(*arguments, **options)

    held: Any = Held()
    wire = await serve(replace(engine.backend, checker=held))

    async def claims() -> AsyncIterator[check_pb.StreamCheckClaimsRequest]:
        for text in different(2 * limit.value):
            yield check_pb.StreamCheckClaimsRequest(claim=check_pb.Claim(text=text))

    call = wire.checks.StreamCheckClaims(claims())
    await full.wait()
    await asyncio.sleep(0.2)  # for one more to come, if it does
    assert begun == limit.value
    gate.set()
    assert len([answer async for answer in call]) == 2 * limit.value


def collect(wire: Any, **fields: Any) -> Awaitable[Any]:
    """Create a collection."""
    request = statement_pb.CreateCollectionRequest(collection=pb.Collection(**fields))
    return wire.statements.CreateCollection(request)  # type: ignore[no-any-return]


async def with_etag(wire: Any, size: int) -> None:
    """Delete a statement that has another etag, whose length is the question: only a mismatch is an answer to it."""
    made = (await create(wire)).statement.name
    request = statement_pb.DeleteStatementRequest(name=made, etag="e" * size)
    try:
        await wire.statements.DeleteStatement(request)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.ABORTED:
            raise


async def update(wire: Any, paths: int) -> None:
    """Change one field, named as often as asked."""
    made = (await create(wire)).statement.name
    request = statement_pb.UpdateStatementRequest(statement=pb.Statement(name=made, text="It was opened."))
    request.update_mask.paths.extend(["text"] * paths)
    await wire.statements.UpdateStatement(request)


async def repeated(wire: Any, request_id: str) -> str:
    """Create a statement under an id; its name. The same id gives the same name."""
    request = statement_pb.CreateStatementRequest(statement=pb.Statement(text="It rained."), request_id=request_id)
    return str((await wire.statements.CreateStatement(request)).statement.name)


async def request_ids_kept(serve: Any, engine: Engine, limit: Limit) -> None:
    """The latest ids are remembered, as many as the limit says (here: three), and the one before them is not."""
    wire = await serve(engine.backend)
    with patch.object(requests, "REQUEST_IDS", replace(limit, value=3)):
        names = {request_id: await repeated(wire, request_id) for request_id in ("a", "b", "c", "d")}
    for request_id in ("b", "c", "d"):
        assert await repeated(wire, request_id) == names[request_id]
    assert await repeated(wire, "a") != names["a"]


async def request_id_hours(serve: Any, engine: Engine, limit: Limit) -> None:
    """An id is remembered until its time has passed."""
    wire = await serve(engine.backend)
    assert timedelta(hours=limit.value) == requests._KEPT
    first = await repeated(wire, "a")
    assert await repeated(wire, "a") == first
    with patch.object(requests, "_KEPT", timedelta(0)):
        assert await repeated(wire, "a") != first


async def exports_at_once(serve: Any, engine: Engine, limit: Limit) -> None:
    """As many exports as the limit says are open side by side; one more is refused until one is done.

    Not over the wire, whose buffers take in many messages before an export has to wait for its reader.
    """
    record, exports = engine.backend.record, Exports()
    open_ = [exports.run(record, "", None) for _ in range(limit.value)]
    for export in open_:
        await anext(export)
    with pytest.raises(Overloaded):
        await anext(exports.run(record, "", None))
    await open_[0].aclose()
    assert await anext(exports.run(record, "", None))
    for export in open_:
        await export.aclose()


async def import_messages_ahead(serve: Any, engine: Engine, limit: Limit) -> None:
    """As many messages are read as the limit says while the first has no answer, and not one more."""
    begun, full, gate = 0, asyncio.Event(), asyncio.Event()
    store = importing.store

    async def held(*arguments: Any) -> Any:
        nonlocal begun
        begun += 1
        if begun == limit.value:
            full.set()
        await gate.wait()
        return await store(*arguments)

    async def messages() -> AsyncIterator[statement_pb.StreamImportStatementsRequest]:
        for text in different(3 * limit.value):
            yield statement_pb.StreamImportStatementsRequest(statements=[pb.Statement(text=text)])

    wire = await serve(engine.backend)
    with patch.object(importing, "store", held):
        call = wire.statements.StreamImportStatements(messages())
        await full.wait()
        await asyncio.sleep(0.2)  # for one more to come, if it does
        assert begun == limit.value
        gate.set()
        assert len([answer async for answer in call]) == 3 * limit.value


async def export_patience(serve: Any, engine: Engine, limit: Limit) -> None:
    """Who takes a message in time gets the next one; who does not is told so. (Here a second is all the patience.)"""
    assert Exports()._patience == limit.value
    record = engine.backend.record
    await record.import_statements("", [StatementDraft(f"{n} " + "k" * 7_990) for n in range(400)])
    prompt = [message async for message in Exports(patience=1.0).run(record, "", None)]
    assert sum(len(message.statements) for message in prompt) == 400
    slow = Exports(patience=0.05).run(record, "", None)
    await anext(slow)
    await asyncio.sleep(0.2)
    with pytest.raises(ExportStalled):
        await anext(slow)


PROBES: dict[str, Probe] = {
    "claim_code_points": refused(lambda w, n: check(w, check_pb.Claim(text="k" * n))),
    "statement_code_points": refused(lambda w, n: create(w, text="k" * n)),
    "context_code_points": refused(lambda w, n: create(w, context="k" * n)),
    "document_code_points": refused(ingest),
    "name_code_points": refused(lambda w, n: create(w, speaker=pb.Speaker(name="k" * n))),
    "uri_code_points": refused(lambda w, n: create(w, source=pb.Source(uri="k" * n))),
    "title_code_points": refused(lambda w, n: create(w, source=pb.Source(title="k" * n))),
    "aliases": refused(lambda w, n: create(w, speaker=pb.Speaker(name="k", aliases=different(n)))),
    "labels": refused(lambda w, n: create(w, labels=different(n))),
    "label_code_points": refused(lambda w, n: create(w, labels=["k" * n])),
    "batch_claims": refused(lambda w, n: batch(w, different(n))),
    "batch_pairs": refused(lambda w, n: score(w, different(n))),
    "stream_claims_ahead": stream_claims_ahead,
    "import_statements_per_message": refused(lambda w, n: import_one(w, different(n))),
    "import_messages_ahead": import_messages_ahead,
    "request_id_characters": refused(lambda w, n: repeated(w, "k" * n)),
    "request_ids_kept": request_ids_kept,
    "request_id_hours": request_id_hours,
    "etag_code_points": refused(with_etag),
    "update_mask_paths": refused(update),
    "description_code_points": refused(lambda w, n: collect(w, description="k" * n)),
    "exports_at_once": exports_at_once,
    "filter_values": refused(lambda w, n: search(w, labels=different(n))),
    "query_code_points": refused(lambda w, n: search(w, query="k" * n)),
    "search_results": search_results,
    "export_patience": export_patience,
    "page_size": page_size,
    "max_evidence": refused(lambda w, n: check(w, check_pb.Claim(text="It rains."), max_evidence=n)),
    "message_bytes": refused(padded),
}


# limits whose two sides another test shows better: file and test. Read by scripts/generate_docs.py
ELSEWHERE: dict[str, str] = {}


@pytest.mark.parametrize("limit", [limit for limit in ALL_LIMITS if limit.name in PROBES], ids=lambda limit: limit.name)
async def test_limit(serve: Any, engine: Engine, limit: Limit) -> None:
    await PROBES[limit.name](serve, engine, limit)


def test_every_limit_has_a_test_and_no_other_has() -> None:
    """A new one: send what is at it and what is beyond it."""
    assert sorted([*PROBES, *ELSEWHERE]) == sorted(limit.name for limit in ALL_LIMITS)
    for place in ELSEWHERE.values():
        file, _, test = place.partition("::")
        assert f"def {test}(" in (ROOT / file).read_text("utf-8"), place
