"""SearchStatements over the wire: what is found, in which order, page by page while others write."""

from __future__ import annotations

import itertools
from typing import Any

import grpc
import pytest

from onrecord.v1 import statement_pb2
from onrecord.v1 import statement_service_pb2 as pb
from onrecord.v1.filter_pb2 import StatementFilter
from onrecord_server.app import Engine
from onrecord_server.domain.limits import MESSAGE_BYTES, PAGE_SIZE, QUERY_CODE_POINTS, SEARCH_RESULTS
from onrecord_server.domain.types import Speaker, StatementDraft

PARENT = "collections/default"


async def fill(engine: Engine, *texts: str, labels: tuple[str, ...] = (), parent: str = PARENT) -> None:
    drafts = [StatementDraft(text, speaker=Speaker("Ann Lee"), labels=labels) for text in texts]
    await engine.record.import_statements(parent, drafts)


async def search(wire: Any, query: str, **request: Any) -> pb.SearchStatementsResponse:
    return await wire.statements.SearchStatements(pb.SearchStatementsRequest(query=query, **request))


def texts(answer: pb.SearchStatementsResponse) -> list[str]:
    return [result.statement.text for result in answer.results]


async def test_the_nearest_come_first(wire: Any, engine: Engine) -> None:
    await fill(engine, "The mill grinds rye.", "The harbour sells red apples.", "The harbour sells green pears.")
    found = await search(wire, "the harbour sells apples")
    assert texts(found)[:2] == ["The harbour sells red apples.", "The harbour sells green pears."]
    first, second = found.results[0], found.results[1]
    assert 1 >= first.score > second.score > 0
    assert 1 >= first.similarity > second.similarity >= -1
    assert first.statement.name.startswith(f"{PARENT}/statements/")
    assert found.next_page_token == ""
    for empty in (
        await search(wire, "harbour", parent="collections/none"),
        await search(wire, "harbour", filter=StatementFilter(labels=["none"])),
    ):
        assert (texts(empty), empty.next_page_token) == ([], "")


async def test_only_what_passes_the_filter(wire: Any, engine: Engine) -> None:
    await fill(engine, *(f"The harbour sells apples of sort {i}." for i in range(50)))
    await fill(engine, "The mill grinds rye.", labels=("grain",))
    await fill(engine, "The harbour sells apples of no sort.", parent="collections/other")
    assert texts(await search(wire, "harbour apples", filter=StatementFilter(labels=["GRAIN"]))) == [
        "The mill grinds rye."
    ]
    assert len(texts(await search(wire, "harbour apples", page_size=60))) == 51


async def test_pages_neither_repeat_nor_pass_over_whatever_is_written(wire: Any, engine: Engine) -> None:
    await fill(engine, *(f"The harbour sells apples of sort {i}." for i in range(23)))
    stays = {result.statement.name for result in (await search(wire, "harbour apples", page_size=100)).results}
    seen: list[str] = []
    token = ""
    for page in itertools.count():
        answer = await search(wire, "harbour apples", page_size=4, page_token=token)
        names = [result.statement.name for result in answer.results]
        assert len(names) == 4 or not answer.next_page_token
        seen += names
        # better ones come, and of those that were given, and that were not, some go
        await fill(engine, f"Harbour apples, lot {page}.")
        for name in (names[0], next((n for n in stays if n not in seen), None)):
            if name is not None and page < 3:
                stays.discard(name)
                await wire.statements.DeleteStatement(pb.DeleteStatementRequest(name=name))
        if not (token := answer.next_page_token):
            break
    assert len(seen) == len(set(seen))
    assert stays <= set(seen)


async def test_a_token_fits_its_own_search_alone(wire: Any, engine: Engine) -> None:
    await fill(engine, *(f"The harbour sells apples of sort {i}." for i in range(5)))
    asked: dict[str, Any] = {"query": "apples", "page_size": 2}
    token = (await search(wire, **asked)).next_page_token
    await search(wire, **{**asked, "page_size": 1, "page_token": token})  # the size is no part of the search
    listed = await wire.statements.ListStatements(pb.ListStatementsRequest(page_size=1))
    others: list[dict[str, Any]] = [
        {"query": "pears"},
        {"parent": "collections/other"},
        {"filter": StatementFilter(labels=["x"])},
        {"min_similarity": 0.0},
        {"page_token": token[:-1]},
        {"page_token": token + "="},
        {"page_token": listed.next_page_token},
        {"page_token": "%"},
    ]
    for other in others:
        request = pb.SearchStatementsRequest(**{**asked, "page_token": token, **other})
        got = await wire.error(wire.statements.SearchStatements(request))
        assert got.fields == {"page_token": "INVALID_PAGE_TOKEN"}, other
    got = await wire.error(wire.statements.ListStatements(pb.ListStatementsRequest(page_token=token)))
    assert got.fields == {"page_token": "INVALID_PAGE_TOKEN"}


async def test_a_least_similarity(wire: Any, engine: Engine) -> None:
    await fill(engine, "The harbour sells red apples.", "The mill grinds rye.", "Apples are red.")
    everything = {r.statement.text: r.similarity for r in (await search(wire, "red apples")).results}
    assert len(everything) == 3
    for least in (-1.0, *everything.values(), 1.0):
        found = texts(await search(wire, "red apples", min_similarity=least))
        assert set(found) == {text for text, similarity in everything.items() if similarity >= least}


async def test_limits_from_both_sides(wire: Any, engine: Engine) -> None:
    await fill(engine, *(f"Apples, lot {i}." for i in range(SEARCH_RESULTS.value + 20)))
    assert len(texts(await search(wire, "apples"))) == 20
    whole = await search(wire, "apples", page_size=PAGE_SIZE.value + 1)
    assert (len(whole.results), whole.next_page_token) == (SEARCH_RESULTS.value, "")
    some = await search(wire, "apples", page_size=700)
    rest = await search(wire, "apples", page_size=700, page_token=some.next_page_token)
    assert len({r.statement.name for r in [*some.results, *rest.results]}) == SEARCH_RESULTS.value
    assert rest.next_page_token == ""
    await search(wire, "a" * QUERY_CODE_POINTS.value)
    wrong = pb.SearchStatementsRequest(
        parent="X", query="a" * (QUERY_CODE_POINTS.value + 1), page_size=-1, min_similarity=float("nan")
    )
    got = await wire.error(wire.statements.SearchStatements(wrong))
    assert (got.code, got.info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS")
    assert got.fields == {
        "parent": "INVALID_RESOURCE_NAME",
        "query": "QUERY_TOO_LONG",
        "page_size": "OUT_OF_RANGE",
        "min_similarity": "OUT_OF_RANGE",
    }
    for query, reason in (("", "REQUIRED"), (" \n", "BLANK"), ("\x00", "CONTROL_CHARACTER")):
        got = await wire.error(wire.statements.SearchStatements(pb.SearchStatementsRequest(query=query)))
        assert got.fields == {"query": reason}


async def test_a_page_fits_a_message(wire: Any, engine: Engine) -> None:
    long = "word " * 1_590
    await fill(engine, *(f"{i} {long}" for i in range(600)))
    found: list[str] = []
    token = ""
    while True:
        answer = await search(wire, "word", page_size=1_000, page_token=token)
        assert answer.ByteSize() <= MESSAGE_BYTES.value
        found += [result.statement.name for result in answer.results]
        if not (token := answer.next_page_token):
            break
    assert len(found) == len(set(found)) == 600


@pytest.mark.parametrize("query", ['"', "AND", "a* NEAR(b)", "text:", "'; --", "中国", "👍", "?" * 50])
async def test_a_query_is_only_words(wire: Any, engine: Engine, query: str) -> None:
    await fill(engine, "a NEAR thing or not, and b", "nothing")
    assert len(texts(await search(wire, query))) == 2


async def test_what_waits_for_its_embedding_is_found_by_its_words(wire: Any, engine: Engine) -> None:
    engine.store.put(PARENT, [StatementDraft("The harbour sells apples.")], None)
    (found,) = (await search(wire, "harbour apples", min_similarity=0.1)).results
    assert found.similarity > 0.5
    assert (await search(wire, "mill")).results == []


async def test_names_that_two_speakers_go_by_are_told(wire: Any) -> None:
    for name in ("Anna Keller", "Bo Roe"):
        speaker = statement_pb2.Speaker(name=name, aliases=["the minister"])
        made = statement_pb2.Statement(text=f"{name} opened the harbour.", speaker=speaker)
        await wire.statements.CreateStatement(pb.CreateStatementRequest(statement=made))
    found = await search(wire, "harbour", filter=StatementFilter(speakers=["The minister"]))
    assert len(found.results) == 2
    assert [(a.name, list(a.speakers)) for a in found.ambiguous_names] == [("The minister", ["Anna Keller", "Bo Roe"])]
