"""Collections as resources, over the wire."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc import error_details_pb2

from onrecord.v1 import statement_pb2 as statement
from onrecord.v1 import statement_service_pb2 as pb
from onrecord_server.domain.limits import DESCRIPTION_CODE_POINTS, MESSAGE_BYTES, NAME_CODE_POINTS

NAME = "collections/physics"


async def create(wire: Any, collection_id: str = "physics", **fields: Any) -> statement.Collection:
    request = pb.CreateCollectionRequest(collection_id=collection_id, collection=statement.Collection(**fields))
    return (await wire.statements.CreateCollection(request)).collection


async def get(wire: Any, name: str = NAME) -> statement.Collection:
    return (await wire.statements.GetCollection(pb.GetCollectionRequest(name=name))).collection


async def put(wire: Any, text: str = "Water is wet.", parent: str = NAME) -> statement.Statement:
    request = pb.CreateStatementRequest(parent=parent, statement=statement.Statement(text=text))
    return (await wire.statements.CreateStatement(request)).statement


async def test_create_get_update_delete(wire: Any) -> None:
    made = await create(wire, display_name="Physics", description="What is said of it.", name="not looked at")
    assert (made.name, made.display_name, made.statement_count) == (NAME, "Physics", 0)
    assert await get(wire) == made
    change = statement.Collection(name=NAME, display_name="Chemistry", etag=made.etag)
    new = (await wire.statements.UpdateCollection(pb.UpdateCollectionRequest(collection=change))).collection
    assert (new.display_name, new.description, new.create_time) == ("Chemistry", made.description, made.create_time)
    assert new.etag != made.etag
    stale = await wire.error(wire.statements.UpdateCollection(pb.UpdateCollectionRequest(collection=change)))
    assert (stale.code, stale.info.reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
    stale = await wire.error(
        wire.statements.DeleteCollection(pb.DeleteCollectionRequest(name=NAME, etag=made.etag, force=True))
    )
    assert stale.info.reason == "ETAG_MISMATCH"
    gone = await wire.statements.DeleteCollection(pb.DeleteCollectionRequest(name=NAME, etag=new.etag))
    assert gone.deleted_count == 0
    missing = await wire.error(wire.statements.GetCollection(pb.GetCollectionRequest(name=NAME)))
    assert (missing.code, missing.info.reason) == (grpc.StatusCode.NOT_FOUND, "COLLECTION_NOT_FOUND")
    resource = missing.details(error_details_pb2.ResourceInfo)[0]
    assert (resource.resource_type, resource.resource_name) == ("onrecord.v1.Collection", NAME)


async def test_a_mask_empties_what_it_names(wire: Any) -> None:
    await create(wire, display_name="Physics", description="What is said of it.")
    request = pb.UpdateCollectionRequest(
        collection=statement.Collection(name=NAME, display_name="not looked at"),
        update_mask=FieldMask(paths=["description"]),
    )
    new = (await wire.statements.UpdateCollection(request)).collection
    assert (new.display_name, new.description) == ("Physics", "")
    for path, reason in (("colour", "UNKNOWN_PATH"), ("statement_count", "NOT_UPDATABLE")):
        request.update_mask.paths[:] = [path]
        error = await wire.error(wire.statements.UpdateCollection(request))
        assert error.fields == {"update_mask.paths[0]": reason}


async def test_a_collection_begins_with_its_first_statement(wire: Any) -> None:
    await put(wire)
    found = await get(wire)
    assert (found.statement_count, found.display_name) == (1, "")
    taken = await wire.error(wire.statements.CreateCollection(pb.CreateCollectionRequest(collection_id="physics")))
    assert (taken.code, taken.info.reason) == (grpc.StatusCode.ALREADY_EXISTS, "COLLECTION_EXISTS")


async def test_a_collection_that_holds_something_is_deleted_only_by_force(wire: Any) -> None:
    made = await put(wire)
    await put(wire, "Ice floats.")
    other = await put(wire, parent="collections/other")
    refused = await wire.error(wire.statements.DeleteCollection(pb.DeleteCollectionRequest(name=NAME)))
    assert (refused.code, refused.info.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "COLLECTION_NOT_EMPTY")
    assert (await get(wire)).statement_count == 2
    gone = await wire.statements.DeleteCollection(pb.DeleteCollectionRequest(name=NAME, force=True))
    assert gone.deleted_count == 2
    error = await wire.error(wire.statements.GetStatement(pb.GetStatementRequest(name=made.name)))
    assert error.code is grpc.StatusCode.NOT_FOUND
    assert (await get(wire, "collections/other")).statement_count == 1
    assert await put(wire) != made  # it begins anew
    assert (await get(wire)).statement_count == 1
    assert (await wire.statements.GetStatement(pb.GetStatementRequest(name=other.name))).statement == other


async def test_an_id_is_chosen_where_none_is_given(wire: Any) -> None:
    made = await create(wire, "")
    assert await get(wire, made.name) == made
    assert (await create(wire, "")).name != made.name


async def test_pages_and_tokens_survive_writes(wire: Any) -> None:
    made = [await create(wire, f"c-{n}") for n in range(5)]
    first = await wire.statements.ListCollections(pb.ListCollectionsRequest(page_size=2))
    assert (list(first.collections), first.total_size) == (made[:2], 5)
    for n in (1, 4):
        await wire.statements.DeleteCollection(pb.DeleteCollectionRequest(name=f"collections/c-{n}"))
    late = await create(wire, "a-late-one")
    rest = await wire.statements.ListCollections(pb.ListCollectionsRequest(page_token=first.next_page_token))
    assert (list(rest.collections), rest.next_page_token) == ([made[2], made[3], late], "")


async def test_tokens_of_other_listings_are_none(wire: Any) -> None:
    for n in range(2):
        await put(wire, f"Fact {n}.")
        await create(wire, f"c-{n}")
    statements = await wire.statements.ListStatements(pb.ListStatementsRequest(parent=NAME, page_size=1))
    collections = await wire.statements.ListCollections(pb.ListCollectionsRequest(page_size=1))
    for call in (
        wire.statements.ListCollections(pb.ListCollectionsRequest(page_token=statements.next_page_token)),
        wire.statements.ListStatements(pb.ListStatementsRequest(parent=NAME, page_token=collections.next_page_token)),
    ):
        assert (await wire.error(call)).fields == {"page_token": "INVALID_PAGE_TOKEN"}


@pytest.mark.parametrize(
    ("request_", "reasons"),
    [
        (pb.CreateCollectionRequest(collection_id="Physics"), {"collection_id": "INVALID_RESOURCE_NAME"}),
        (
            pb.CreateCollectionRequest(
                collection=statement.Collection(display_name="x" * 201, description="x" * 2_001)
            ),
            {
                "collection.display_name": NAME_CODE_POINTS.reason,
                "collection.description": DESCRIPTION_CODE_POINTS.reason,
            },
        ),
        (pb.GetCollectionRequest(), {"name": "REQUIRED"}),
        (pb.GetCollectionRequest(name="physics"), {"name": "INVALID_RESOURCE_NAME"}),
        (pb.UpdateCollectionRequest(), {"collection.name": "REQUIRED"}),
        (pb.DeleteCollectionRequest(name="collections/a/b"), {"name": "INVALID_RESOURCE_NAME"}),
        (pb.ListCollectionsRequest(page_size=-1), {"page_size": "OUT_OF_RANGE"}),
    ],
)
async def test_bad_fields(wire: Any, request_: Any, reasons: dict[str, str]) -> None:
    method = getattr(wire.statements, type(request_).__name__.removesuffix("Request"))
    error = await wire.error(method(request_))
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, reasons)


async def test_the_longest_texts_of_a_collection(wire: Any) -> None:
    made = await create(
        wire, display_name="é" * NAME_CODE_POINTS.value, description="é" * DESCRIPTION_CODE_POINTS.value
    )
    assert await get(wire) == made


async def test_a_repeated_creation_is_answered_as_before(wire: Any) -> None:
    request = pb.CreateCollectionRequest(request_id="r-1", collection=statement.Collection(display_name="One"))
    first = await wire.statements.CreateCollection(request)
    assert await wire.statements.CreateCollection(request) == first
    request.collection.display_name = "Two"
    error = await wire.error(wire.statements.CreateCollection(request))
    assert (error.code, error.info.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_a_deleted_collection_takes_the_ids_of_its_requests_with_it(wire: Any) -> None:
    """Else a repetition would be answered with a collection that is not there."""
    request = pb.CreateCollectionRequest(collection_id="physics", request_id="r-1")
    other = pb.CreateCollectionRequest(collection_id="physics-2", request_id="r-2")
    chosen = pb.CreateCollectionRequest(request_id="r-3")
    kept = await wire.statements.CreateCollection(other)
    gone = [await wire.statements.CreateCollection(one) for one in (request, chosen)]
    for made in gone:
        await wire.statements.DeleteCollection(pb.DeleteCollectionRequest(name=made.collection.name))
    again = await wire.statements.CreateCollection(request)
    assert again.collection.etag != gone[0].collection.etag
    assert await get(wire) == again.collection
    renewed = await wire.statements.CreateCollection(chosen)
    assert renewed.collection.name != gone[1].collection.name
    assert await get(wire, renewed.collection.name) == renewed.collection
    assert await wire.statements.CreateCollection(other) == kept


async def test_a_page_always_fits_a_message(wire: Any) -> None:
    """700 descriptions of 8 kB are more than clients accept in one message."""
    for n in range(700):
        await create(wire, f"c-{n}", description="𝔘" * DESCRIPTION_CODE_POINTS.value)
    seen, token = [], ""
    while True:
        page = await wire.statements.ListCollections(pb.ListCollectionsRequest(page_size=1_000, page_token=token))
        assert page.ByteSize() <= MESSAGE_BYTES.value
        seen += [collection.name for collection in page.collections]
        if not (token := page.next_page_token):
            break
    assert seen == [f"collections/c-{n}" for n in range(700)]
