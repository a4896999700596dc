"""The HTTP/JSON door over real HTTP: the same answers, errors and bookkeeping as over gRPC."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import re
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from google.rpc import error_details_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from onrecord.v1 import check_service_pb2 as pb
from onrecord_server.app import Engine, open_engine
from onrecord_server.config import ServerConfig
from onrecord_server.domain.limits import MESSAGE_BYTES
from onrecord_server.http import HttpDoor, open_door
from onrecord_server.http import door as doors
from onrecord_server.http.answers import HTTP_CODES
from onrecord_server.nli.base import EncodedPair, FloatArray, PairScorer
from onrecord_server.rpc.backend import Backend, BackendSlot
from onrecord_server.rpc.calls import Call, CallObserver
from onrecord_server.rpc.errors import TABLE
from onrecord_server.rpc.health import Health
from onrecord_server.rpc.interceptors import CallGuard
from onrecord_server.rpc.server import build_server, make_servicers, methods_of

CHECK = "/onrecord.v1.CheckService/CheckClaim"
BATCH = "/onrecord.v1.CheckService/BatchCheckClaims"
CREATE = "/onrecord.v1.StatementService/CreateStatement"
# Words that only a programmer in Python would read.
PYTHON = re.compile(r"\b(int|str|dict|bool|bytes|float|codec|iterable|literal|sys|NoneType|method|base 10|\w+Error)\b")
TEXT = "Russia opposes interference in China's affairs."


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body)

    def details(self, kind: str) -> list[dict[str, Any]]:
        """Details of one kind in a google.rpc.Status."""
        return [d for d in self.json["details"] if d["@type"] == f"type.googleapis.com/google.rpc.{kind}"]

    @property
    def reason(self) -> str:
        """Of the one ErrorInfo."""
        (info,) = self.details("ErrorInfo")
        assert info["domain"] == "onrecord"
        return str(info["reason"])

    @property
    def fields(self) -> dict[str, str]:
        """Field -> reason of all violations."""
        (bad,) = self.details("BadRequest")
        return {v["field"]: v["reason"] for v in bad["fieldViolations"]}


class Site:
    """What is served over HTTP, and over gRPC beside it."""

    def __init__(self, door: HttpDoor, guard: CallGuard, health: Health, slot: BackendSlot, grpc_address: str) -> None:
        self.door, self.guard, self.health, self.slot = door, guard, health, slot
        self.grpc_address = grpc_address
        self.address = door.url.removeprefix("http://")

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request; blocks."""
        connection = http.client.HTTPConnection(self.address, timeout=60)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, names)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    async def get(self, path: str) -> Answer:
        """GET."""
        return await asyncio.to_thread(self.request, "GET", path)

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        """POST what is no bytes as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content_type": "application/json"} | headers
        return await asyncio.to_thread(self.request, "POST", path, data, **headers)


Open = Callable[..., Awaitable[Site]]


@pytest.fixture
async def open_site() -> AsyncIterator[Open]:
    """Serves a backend until the test ends."""
    opened: list[tuple[Any, HttpDoor]] = []

    async def start(backend: Backend | None, token: str | None = None, observers: Sequence[CallObserver] = ()) -> Site:
        slot, guard = BackendSlot(backend), CallGuard(token, observers)
        servicers = make_servicers(slot)
        server, health = build_server(slot, guard, servicers)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        door = open_door(methods_of(servicers), guard, health, "127.0.0.1:0", "127.0.0.1", 0)
        await door.start()
        opened.append((server, door))
        return Site(door, guard, health, slot, f"127.0.0.1:{port}")

    yield start
    for server, door in opened:
        await door.stop(0)
        await server.stop(None)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The engine on the fakes, without a token and without gRPC beside it, for all tests that stop nothing.

    On an event loop of its own, so that tests may block. Starting and stopping one takes a quarter of a second.
    """
    started, ended = threading.Event(), asyncio.Event()
    found: dict[str, Any] = {}

    async def serve() -> None:
        async with open_engine(ServerConfig(store=":memory:", model="fake", encoder="fake")) as engine:
            slot, guard = BackendSlot(engine.backend), CallGuard()
            door = open_door(methods_of(make_servicers(slot)), guard, Health([]), "", "127.0.0.1", 0)
            await door.start()
            found["site"] = Site(door, guard, Health([]), slot, "")
            found["loop"] = asyncio.get_running_loop()
            started.set()
            await ended.wait()
            await door.stop(0)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(60)
    yield found["site"]
    found["loop"].call_soon_threadsafe(ended.set)
    thread.join()


async def put(site: Site, text: str = TEXT) -> None:
    """Put a statement on the record."""
    created = await site.post(CREATE, {"statement": {"text": text, "speaker": {"name": "Putin"}}})
    assert created.status == 200


async def test_a_check_over_http_is_the_check_over_grpc(open_site: Open, engine: Engine) -> None:
    site = await open_site(engine.backend)
    await put(site)
    answer = await site.post(CHECK, {"claim": {"text": TEXT}, "options": {"maxEvidence": 1}})
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    over_http = json_format.ParseDict(answer.json, pb.CheckClaimResponse())
    async with grpc.aio.insecure_channel(site.grpc_address) as channel:
        call = channel.unary_unary(CHECK, pb.CheckClaimRequest.SerializeToString, pb.CheckClaimResponse.FromString)
        options = pb.CheckOptions(max_evidence=1)
        over_grpc = await call(pb.CheckClaimRequest(claim=pb.Claim(text=TEXT), options=options))
    for response in (over_http, over_grpc):
        response.result.ClearField("timings")
        response.result.provenance.ClearField("as_of")
        response.result.provenance.ClearField("check_time")
    assert over_http == over_grpc
    assert over_http.result.verdict == pb.VERDICT_SUPPORTED


async def test_names_are_read_in_both_spellings_and_written_in_one_with_defaults(site: Site) -> None:
    await put(site)
    camel = await site.post(CHECK, {"claim": {"text": TEXT, "asOf": "2021-08-29T00:00:00Z"}})
    snake = await site.post(CHECK, {"claim": {"text": TEXT, "as_of": "2021-08-29T00:00:00Z"}})
    assert camel.json["result"]["provenance"]["asOf"] == snake.json["result"]["provenance"]["asOf"]
    assert camel.json["result"]["parts"] == []  # there, though it is empty
    assert "supportingSpeakers" in camel.json["result"]


async def test_a_batch_tells_each_item_by_itself(site: Site) -> None:
    await put(site)
    answer = await site.post(BATCH, {"claims": [{"text": TEXT}, {"text": ""}]})
    good, bad = answer.json["items"]
    assert good["result"]["verdict"] == "VERDICT_SUPPORTED"
    assert [detail["@type"].rpartition(".")[2] for detail in bad["error"]["details"]] == ["ErrorInfo", "BadRequest"]


async def test_large_messages_both_ways(site: Site) -> None:
    await put(site)
    claims = [{"text": f"{TEXT} {'again ' * 300}end."} for _ in range(32)]
    answer = await site.post(BATCH, {"claims": claims})
    assert len(answer.body) > 32 * 1_024
    assert [item["result"]["attribution"]["content"] for item in answer.json["items"]] == [c["text"] for c in claims]


async def test_every_unary_method_of_the_contract_is_here(site: Site) -> None:
    answers = {
        name: (method.streams, await site.post(f"/{name}", {}))
        for name, method in methods_of(make_servicers(site.slot)).items()
    }
    assert {name for name, (streams, answer) in answers.items() if streams != (answer.status == 501)} == set()
    unary = {name: answer for name, (streams, answer) in answers.items() if not streams}
    assert {name: answer.status for name, answer in unary.items() if answer.status >= 500} == {}
    described = {path for path in (await site.get("/openapi.json")).json["paths"] if path != "/healthz"}
    assert described == {f"/{name}" for name in unary}


async def test_streams_are_refused_with_a_word(site: Site) -> None:
    answer = await site.post("/onrecord.v1.CheckService/StreamCheckClaims", {})
    assert (answer.status, answer.json["code"], answer.reason) == (501, 12, "STREAM_OVER_HTTP")


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        (b"", "request", "MALFORMED_MESSAGE"),
        (b"{", "request", "MALFORMED_MESSAGE"),
        (b"[]", "request", "MALFORMED_MESSAGE"),
        (b'"text"', "request", "MALFORMED_MESSAGE"),
        (b"\xff{}", "request", "MALFORMED_MESSAGE"),
        (b'{"claim": {"text": 1}}', "claim.text", "MALFORMED_MESSAGE"),
        (b'{"claim": {"text": "\\ud800"}}', "claim.text", "MALFORMED_MESSAGE"),
        (b'{"claim": {"\\uDfff": 1}}', "claim", "MALFORMED_MESSAGE"),
        (b'{"\\ud800": 1}', "request", "MALFORMED_MESSAGE"),
        (b'{"claim": "\\ud800"}', "claim", "MALFORMED_MESSAGE"),
        (b'{"claim": {"filter": {"states": ["\\ud800"]}}}', "claim.filter.states[0]", "MALFORMED_MESSAGE"),
        (b'{"claim": {"filter": {"states": [2, "X"]}}}', "claim.filter.states[1]", "MALFORMED_MESSAGE"),
        (b'{"claim": {"filter": {"speakers": "Xi"}}}', "claim.filter.speakers", "MALFORMED_MESSAGE"),
        (b'{"claim": {"filter": {"speakers": [null]}}}', "claim.filter.speakers[0]", "MALFORMED_MESSAGE"),
        (b'{"claim": {"filter": {"states": [1e999]}}}', "request", "MALFORMED_MESSAGE"),
        (b'{"claim": 7}', "claim", "MALFORMED_MESSAGE"),
        (b'{"claim": {"text": "a", "text": "b"}}', "request", "MALFORMED_MESSAGE"),
        (b'{"claim": {"asOf": "yesterday"}}', "claim.asOf", "MALFORMED_MESSAGE"),
        (b'{"options": {"maxEvidence": 1.5}}', "options.maxEvidence", "MALFORMED_MESSAGE"),
        (b'{"options": {"maxEvidence": ' + b"1" * 5_000 + b"}}", "options.maxEvidence", "MALFORMED_MESSAGE"),
        (b'{"options": {"maxEvidence": "x"}}', "options.maxEvidence", "MALFORMED_MESSAGE"),
        (b'{"options": {"maxEvidence": []}}', "options.maxEvidence", "MALFORMED_MESSAGE"),
        (b'{"options": {"explain": -' + b"1" * 5_000 + b"}}", "options.explain", "MALFORMED_MESSAGE"),
        (b'{"options": {"topicThreshold": ' + b"1" * 5_000 + b"}}", "options.topicThreshold", "MALFORMED_MESSAGE"),
        (b'{"claim": {"asOf": "2021-01-01T00:00:00+' + b"1" * 5_000 + b':00"}}', "claim.asOf", "MALFORMED_MESSAGE"),
        (b'{"claim": ' * 2_000, "request", "MALFORMED_MESSAGE"),
        (b'{"claim": {"txet": "a"}}', "claim.txet", "UNKNOWN_FIELD"),
        (b'{"clam": {}}', "clam", "UNKNOWN_FIELD"),
        (b"{}", "claim.text", "REQUIRED"),
    ],
)
async def test_bad_json_says_which_field(site: Site, body: bytes, field: str, reason: str) -> None:
    answer = await site.post(CHECK, body)
    assert (answer.status, answer.json["code"], answer.reason) == (400, 3, "INVALID_FIELDS")
    assert answer.fields == {field: reason}
    assert answer.json["message"]
    assert not PYTHON.search(answer.json["message"])


async def test_an_unknown_field_deep_inside(site: Site) -> None:
    answer = await site.post(BATCH, {"claims": [{}, {"x": 1}]})
    assert answer.fields == {"claims[1].x": "UNKNOWN_FIELD"}


@settings(max_examples=60, deadline=None)
@given(
    body=st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["claim", "text", "options", "asOf", "maxEvidence", "parent", "speaker", "x"]), inner
            )
        ),
        max_leaves=6,
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_body_is_the_servers_fault(body: bytes, site: Site) -> None:
    answer = site.request("POST", CHECK, body, content_type="application/json")
    assert answer.status in (200, 400)


async def test_size_of_a_body_from_both_sides(site: Site) -> None:
    empty = json.dumps({"claim": {"text": ""}}).encode()
    filled = empty.replace(b'""', b'"' + b" " * (MESSAGE_BYTES.value - len(empty)) + b'"')
    assert len(filled) == MESSAGE_BYTES.value
    largest = await site.post(CHECK, filled)
    assert (largest.status, largest.fields) == (400, {"claim.text": "CLAIM_TOO_LONG"})
    over = await site.post(CHECK, filled + b" ")
    assert (over.status, over.json["code"], over.fields) == (413, 3, {"request": "MESSAGE_TOO_LARGE"})


async def test_a_body_that_does_not_say_its_size_is_read_no_further_than_the_limit(site: Site) -> None:
    def send() -> Answer:
        connection = http.client.HTTPConnection(site.address, timeout=60)
        chunks = (b" " * 65_536 for _ in range(MESSAGE_BYTES.value // 65_536 + 2))
        connection.request("POST", CHECK, chunks, {"Content-Type": "application/json"}, encode_chunked=True)
        response = connection.getresponse()
        answer = Answer(response.status, dict(response.getheaders()), response.read())
        connection.close()
        return answer

    answer = await asyncio.to_thread(send)
    assert (answer.status, answer.fields) == (413, {"request": "MESSAGE_TOO_LARGE"})


async def test_paths_and_methods_that_are_not_here(site: Site) -> None:
    for path in ("/", "/onrecord.v1.CheckService", "/onrecord.v1.CheckService/Nothing", "/grpc.health.v1.Health/Check"):
        answer = await site.post(path, {})
        assert (answer.status, answer.json["code"], answer.reason) == (404, 12, "UNKNOWN_PATH")
    answer = await site.get(CHECK)
    assert (answer.status, answer.reason, answer.headers["allow"]) == (405, "METHOD_NOT_ALLOWED", "POST")
    answer = await site.post("/healthz", {})
    assert (answer.status, answer.reason, answer.headers["allow"]) == (405, "METHOD_NOT_ALLOWED", "GET, HEAD")


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "text/plain"},
        {"content_type": "application/x-www-form-urlencoded"},
        {"content_type": "application/connect+json"},
        {"content_type": "application/json; charset=latin-1"},
        {"content_type": "application/json; profile=plain; charset=utf-16"},
        {"content_encoding": "gzip"},
    ],
)
async def test_other_kinds_of_content(site: Site, headers: dict[str, str]) -> None:
    answer = await site.post(CHECK, {}, **headers)
    assert (answer.status, answer.reason) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "content_type",
    [
        'Application/JSON; charset="UTF-8"',
        "application/json;charset=utf-8",
        "application/json; charset=utf-8; profile=plain",
        'application/json ; odata.metadata="a;charset=latin-1"',
        "application/json;",
    ],
)
async def test_parameters_of_the_content_type_are_taken(site: Site, content_type: str) -> None:
    answer = await site.post(CHECK, {"claim": {"text": "é"}}, content_type=content_type, content_encoding="Identity")
    assert answer.status == 200


async def test_web_pages_need_a_token(site: Site, open_site: Open, engine: Engine) -> None:
    answer = await site.post(CHECK, {"claim": {"text": TEXT}}, origin="http://evil.example")
    assert (answer.status, answer.json["code"], answer.reason) == (403, 7, "WEB_PAGE_REFUSED")
    guarded = await open_site(engine.backend, token="secret")
    answer = await guarded.post(CHECK, {"claim": {"text": TEXT}}, origin="http://app.example")
    assert answer.status == 401
    headers = {"origin": "http://app.example", "authorization": "Bearer secret"}
    assert (await guarded.post(CHECK, {"claim": {"text": TEXT}}, **headers)).status == 200


async def test_the_token_is_asked_for_before_the_body_is_read(open_site: Open, engine: Engine) -> None:
    site = await open_site(engine.backend, token="secret")
    for headers in (
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Basic secret"},
        {"authorization": "secret"},
    ):
        answer = await site.post(CHECK, b"no JSON", **headers)
        assert (answer.status, answer.json["code"], answer.reason) == (401, 16, "UNAUTHENTICATED")
        assert answer.headers["www-authenticate"] == "Bearer"
    for authorization in ("bearer secret", "BEARER secret", "Bearer  secret"):
        answer = await site.post(CHECK, {"claim": {"text": TEXT}}, authorization=authorization)
        assert answer.status == 200
    assert (await site.get("/healthz")).status == 503  # probes need none
    assert (await site.get("/openapi.json")).status == 200


async def test_health_follows_the_model(open_site: Open, engine: Engine) -> None:
    site = await open_site(None)
    loading = await site.get("/healthz")
    assert (loading.status, loading.json) == (503, {"status": "NOT_SERVING"})
    refused = await site.post(CHECK, {"claim": {"text": TEXT}})
    assert (refused.status, refused.reason, refused.headers["retry-after"]) == (503, "NOT_READY", "1")
    site.slot.fill(engine.backend)
    await site.health.serving()
    serving = await site.get("/healthz")
    assert (serving.status, serving.json) == (200, {"status": "SERVING"})


class Gated:
    """The fake model, which scores nothing until the gate is opened."""

    def __init__(self, scorer: PairScorer) -> None:
        self._scorer = scorer
        self.info = scorer.info
        self.encode = scorer.encode
        self.gate = threading.Event()
        self.entered = threading.Event()

    def score(self, batch: Sequence[EncodedPair]) -> FloatArray:
        """Wait, then score."""
        self.entered.set()
        self.gate.wait()
        return self._scorer.score(batch)


@pytest.fixture
def gated(engine: Engine) -> Any:
    """The engine's model, held up until its gate is opened."""
    model = Gated(engine.worker.scorer)
    engine.worker.scorer = model
    yield model
    model.gate.set()


class Ends(CallObserver):
    """Keeps the calls that have ended."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.one = asyncio.Event()

    def ended(self, call: Call) -> None:
        """Keep it."""
        self.calls.append(call)
        self.one.set()


SCORE = "/onrecord.v1.CheckService/ScorePairs"
PAIRS = {"pairs": [{"premise": TEXT, "hypothesis": TEXT}]}


def pairs(word: str) -> Any:
    """Different pairs, as many as fill a small queue."""
    texts = [f"{word} statement number {i}" for i in range(20)]
    return {"pairs": [{"premise": text, "hypothesis": text} for text in texts]}


async def test_a_deadline_ends_the_call(open_site: Open, engine: Engine, gated: Gated) -> None:
    ends = Ends()
    site = await open_site(engine.backend, observers=[ends])
    answer = await site.post(SCORE, PAIRS, connect_timeout_ms="200")
    assert (answer.status, answer.json["code"], answer.reason) == (504, 4, "DEADLINE_TOO_SHORT")
    assert [call.code for call in ends.calls] == [grpc.StatusCode.DEADLINE_EXCEEDED]
    await site.guard.idle()


@pytest.mark.parametrize("value", ["soon", "-1", "1.5", "12345678901", ""])
async def test_a_deadline_that_is_none(site: Site, value: str) -> None:
    answer = await site.post(CHECK, {"claim": {"text": TEXT}}, connect_timeout_ms=value)
    assert (answer.status, answer.fields) == (400, {"connect-timeout-ms": "OUT_OF_RANGE"})


async def test_a_caller_who_leaves_costs_nothing_more(open_site: Open, engine: Engine, gated: Gated) -> None:
    ends = Ends()
    site = await open_site(engine.backend, observers=[ends])
    body = json.dumps(PAIRS).encode()
    reader, writer = await asyncio.open_connection(*site.address.rsplit(":", 1))
    head = f"POST {SCORE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    assert await asyncio.to_thread(gated.entered.wait, 60)
    writer.close()
    await asyncio.wait_for(ends.one.wait(), 30)
    assert [call.code for call in ends.calls] == [grpc.StatusCode.CANCELLED]
    await site.guard.idle()
    del reader


async def test_a_caller_who_leaves_in_the_middle_of_the_body(open_site: Open, engine: Engine) -> None:
    ends = Ends()
    site = await open_site(engine.backend, observers=[ends])
    _, writer = await asyncio.open_connection(*site.address.rsplit(":", 1))
    head = f"POST {SCORE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    writer.write(head.encode() + b'{"pairs"')
    await writer.drain()
    writer.close()
    await asyncio.wait_for(ends.one.wait(), 30)
    assert [call.code for call in ends.calls] == [grpc.StatusCode.CANCELLED]


async def test_overload_says_when_to_come_back(open_site: Open) -> None:
    config = ServerConfig(store=":memory:", model="fake", encoder="fake", max_batch_tokens=64, max_queue_tokens=64)
    async with open_engine(config) as engine:
        model = Gated(engine.worker.scorer)
        engine.worker.scorer = model
        try:
            site = await open_site(engine.backend)
            first = asyncio.create_task(site.post(SCORE, pairs("first")))
            entered = await asyncio.to_thread(model.entered.wait, 15)
            assert entered, await asyncio.wait_for(first, 5)
            refused = await site.post(SCORE, pairs("second"))
            assert (refused.status, refused.json["code"], refused.reason) == (429, 8, "OVERLOADED")
            assert refused.details("RetryInfo")
            assert int(refused.headers["retry-after"]) >= 1
            assert (await site.get("/healthz")).status == 503  # it answers, though nobody has said SERVING here
        finally:
            model.gate.set()
        assert (await first).status == 200


async def test_request_ids_and_observers_as_over_grpc(open_site: Open, engine: Engine) -> None:
    ends = Ends()
    site = await open_site(engine.backend, observers=[ends])
    named = await site.post(CHECK, {"claim": {"text": TEXT}}, x_request_id="mine-1")
    assert named.headers["x-request-id"] == "mine-1"
    chosen = await site.post(CHECK, {"claim": {}}, x_request_id="no sane id")
    assert len(chosen.headers["x-request-id"]) == 16
    first, second = ends.calls
    assert (first.method, first.kind, first.peer, first.code) == (CHECK[1:], "unary", "http", grpc.StatusCode.OK)
    assert (first.request_id, first.received, first.sent) == ("mine-1", 1, 1)
    assert first.sent_bytes == len(named.body)
    assert (second.code, second.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS")


async def test_callers_of_the_connect_protocol(site: Site) -> None:
    await put(site)
    request = pb.CheckClaimRequest(claim=pb.Claim(text=TEXT)).SerializeToString()
    headers = {"content_type": "application/proto", "connect_protocol_version": "1"}
    answer = await site.post(CHECK, request, **headers)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/proto")
    assert pb.CheckClaimResponse.FromString(answer.body).result.verdict == pb.VERDICT_SUPPORTED
    damaged = await site.post(CHECK, b"\xff", **headers)
    assert (damaged.status, damaged.headers["content-type"]) == (400, "application/json")
    assert damaged.json["code"] == "invalid_argument"
    info, bad = damaged.json["details"]
    assert (info["type"], info["debug"]["reason"]) == ("google.rpc.ErrorInfo", "INVALID_FIELDS")
    value = base64.b64decode(bad["value"] + "==")
    (violation,) = error_details_pb2.BadRequest.FromString(value).field_violations
    assert violation.reason == "MALFORMED_MESSAGE"
    unknown = await site.post("/onrecord.v1.CheckService/Nothing", b"", **headers)
    assert (unknown.status, unknown.json["code"]) == (404, "unimplemented")


async def test_a_connection_serves_one_request_after_another(site: Site) -> None:
    def twice() -> list[int]:
        connection = http.client.HTTPConnection(site.address, timeout=60)
        statuses = []
        for body in (b"no JSON", b'{"claim": {"text": "a"}}'):
            connection.request("POST", CHECK, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
        connection.close()
        return statuses

    assert await asyncio.to_thread(twice) == [400, 200]


async def test_what_is_no_http_gets_nothing_from_inside(site: Site) -> None:
    def talk() -> bytes:
        with socket.create_connection(tuple(site.address.rsplit(":", 1)), timeout=60) as connection:
            connection.sendall(b"\x16\x03\x01\x02\x00nonsense\r\n\r\n")
            return connection.recv(4_096)

    assert (await asyncio.to_thread(talk)).startswith(b"HTTP/1.1 400 ")


def test_every_code_that_an_error_may_have_has_its_http_code() -> None:
    ours = {row.code for row in TABLE.values()} - {grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS}
    assert ours <= set(HTTP_CODES)


async def test_who_connects_and_asks_for_nothing_is_hung_up_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "HEAD_SECONDS", 0.1)
    host, _, port = site.address.rpartition(":")
    for begun in (b"", b"POST /onrecord.v1.Check"):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(begun)
        assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()
    assert (await site.get("/openapi.json")).status == 200


async def test_a_further_request_has_as_long_for_its_head_as_the_first(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte by byte it would keep a connection for ever."""
    monkeypatch.setattr(doors, "HEAD_SECONDS", 0.3)
    host, _, port = site.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    request = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    for piece in (request, request[:30], request[30:]):
        writer.write(piece)
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.4)  # between requests there is more time
    writer.write(request)
    got = b""
    while got.count(b"NOT_SERVING") < 3:
        got += await asyncio.wait_for(reader.read(65_536), 30)
    answered = asyncio.create_task(reader.read(1))
    for place in range(len(request)):
        if answered.done():
            break
        writer.write(request[place : place + 1])
        await asyncio.sleep(0.1)
    assert await asyncio.wait_for(answered, 30) == b""
    writer.close()
