"""The HTTP/JSON door over real HTTP: the same answers, errors and bookkeeping as over gRPC."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import re
import socket
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from google.rpc import error_details_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from http_site import CHECK, TEXT, Answer, Open, Site, put
from onrecord.v1 import check_service_pb2 as pb
from onrecord_server.app import Engine
from onrecord_server.domain.limits import MESSAGE_BYTES
from onrecord_server.http import door as doors
from onrecord_server.http.answers import HTTP_CODES
from onrecord_server.rpc.errors import TABLE
from onrecord_server.rpc.server import make_servicers, methods_of

BATCH = "/onrecord.v1.CheckService/BatchCheckClaims"
# Words that only a programmer in Python would read.
PYTHON = re.compile(r"\b(int|str|dict|bool|bytes|float|codec|iterable|literal|sys|NoneType|method|base 10|\w+Error)\b")


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


@pytest.mark.parametrize("other", ["Bearer wrong", "Bearer secret"])
async def test_several_tokens_are_none(open_site: Open, engine: Engine, other: str) -> None:
    site = await open_site(engine.backend, token="secret")

    def post() -> tuple[int, Any]:
        connection = http.client.HTTPConnection(site.address, timeout=60)
        try:
            connection.putrequest("POST", CHECK)
            for value in (other, "Bearer secret"):
                connection.putheader("Authorization", value)
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", "2")
            connection.endheaders(b"{}")
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    status, body = await asyncio.to_thread(post)
    assert (status, body["message"]) == (401, "the call carries 2 `authorization` headers; send one")


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
