"""StatementService's methods on collections."""

from __future__ import annotations

from typing import Any

from grpc.aio import ServicerContext

from onrecord.v1 import statement_service_pb2 as pb
from onrecord.v1 import statement_service_pb2_grpc as pb_grpc
from onrecord_server.domain.limits import MESSAGE_BYTES
from onrecord_server.domain.masks import COLLECTION_FIELDS, COLLECTION_FIXED
from onrecord_server.rpc.backend import BackendSlot
from onrecord_server.rpc.convert import collection_from_proto, collection_to_proto
from onrecord_server.rpc.services.requests import create_key, paths_of


class CollectionMethods(pb_grpc.StatementServiceServicer):
    """Create, read, list, change and delete collections."""

    _slot: BackendSlot

    async def CreateCollection(
        self, request: pb.CreateCollectionRequest, context: ServicerContext[Any, Any]
    ) -> pb.CreateCollectionResponse:
        """Create an empty collection."""
        draft = collection_from_proto(request.collection)
        record = self._slot.get().record
        made = await record.collections.create(draft, request.collection_id, create_key(request))
        return pb.CreateCollectionResponse(collection=collection_to_proto(made))

    async def GetCollection(
        self, request: pb.GetCollectionRequest, context: ServicerContext[Any, Any]
    ) -> pb.GetCollectionResponse:
        """Read one collection."""
        found = await self._slot.get().record.collections.get(request.name)
        return pb.GetCollectionResponse(collection=collection_to_proto(found))

    async def ListCollections(
        self, request: pb.ListCollectionsRequest, context: ServicerContext[Any, Any]
    ) -> pb.ListCollectionsResponse:
        """Read a page. It holds fewer collections than asked for when more would not fit a message."""
        record, size = self._slot.get().record, request.page_size
        while True:
            page = await record.collections.list(size, request.page_token)
            response = pb.ListCollectionsResponse(
                collections=[collection_to_proto(collection) for collection in page.collections],
                next_page_token=page.next_page_token,
                total_size=page.total_size,
            )
            if response.ByteSize() <= MESSAGE_BYTES.value:
                return response
            size = len(page.collections) // 2

    async def UpdateCollection(
        self, request: pb.UpdateCollectionRequest, context: ServicerContext[Any, Any]
    ) -> pb.UpdateCollectionResponse:
        """Change fields of one collection."""
        message = request.collection
        paths = paths_of(message, request.update_mask.paths, COLLECTION_FIELDS, COLLECTION_FIXED)
        record = self._slot.get().record
        made = await record.collections.update(collection_from_proto(message), paths, message.etag)
        return pb.UpdateCollectionResponse(collection=collection_to_proto(made))

    async def DeleteCollection(
        self, request: pb.DeleteCollectionRequest, context: ServicerContext[Any, Any]
    ) -> pb.DeleteCollectionResponse:
        """Delete a collection, with its statements when forced."""
        record = self._slot.get().record
        deleted = await record.collections.delete(request.name, request.etag, force=request.force)
        return pb.DeleteCollectionResponse(deleted_count=deleted)
