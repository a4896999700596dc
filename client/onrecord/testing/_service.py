"""StatementService of the fake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc

from onrecord.errors import ServerError
from onrecord.testing._record import Record, invalid
from onrecord.testing._wire import Failure, abort, error_status
from onrecord.v1 import statement_pb2
from onrecord.v1 import statement_service_pb2 as pb
from onrecord.v1 import statement_service_pb2_grpc as pb_grpc

PAGE = 100


class StatementService(pb_grpc.StatementServiceServicer):
    """Methods on a Record. `before` is called with each call's context and may end it."""

    def __init__(self, record: Record, before: Callable[[grpc.ServicerContext], None]) -> None:
        self._record = record
        self._before = before

    def _answer(self, context: grpc.ServicerContext, work: Callable[[], Any]) -> Any:
        self._before(context)
        try:
            with self._record.lock:
                return work()
        except Failure as failure:
            error = failure.error
        return abort(context, error)

    def CreateStatement(self, request: pb.CreateStatementRequest, context: grpc.ServicerContext) -> Any:
        def work(asked: pb.CreateStatementRequest) -> pb.CreateStatementResponse:
            return pb.CreateStatementResponse(statement=self._record.add(asked.parent, asked.statement))

        return self._answer(context, lambda: self._record.once(request.parent, request, work))

    def BatchCreateStatements(self, request: pb.BatchCreateStatementsRequest, context: grpc.ServicerContext) -> Any:
        def work(asked: pb.BatchCreateStatementsRequest) -> pb.BatchCreateStatementsResponse:
            answer = pb.BatchCreateStatementsResponse()
            for draft in asked.statements:
                item = answer.items.add()
                try:
                    item.statement.CopyFrom(self._record.add(asked.parent, draft))
                except Failure as failure:
                    item.error.CopyFrom(error_status(failure.error))
            return answer

        return self._answer(context, lambda: self._record.once(request.parent, request, work))

    def ImportStatements(
        self, request_iterator: Iterator[pb.ImportStatementsRequest], context: grpc.ServicerContext
    ) -> Any:
        def whole() -> pb.ImportStatementsResponse:
            answer = pb.ImportStatementsResponse()
            index = 0
            for request in request_iterator:
                for draft in request.statements:
                    try:
                        self._record.add(request.parent, draft)
                        answer.created_count += 1
                    except Failure as failure:
                        answer.failed_count += 1
                        answer.failures.add(index=index, status=error_status(failure.error))
                    index += 1
            return answer

        return self._answer(context, whole)

    def StreamImportStatements(
        self, request_iterator: Iterator[pb.StreamImportStatementsRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.StreamImportStatementsResponse]:
        self._before(context)
        index = 0
        for place, request in enumerate(request_iterator):
            answer = pb.StreamImportStatementsResponse(
                message_index=place, request_id=request.request_id, first_index=index
            )

            def work(
                asked: pb.StreamImportStatementsRequest, answer: pb.StreamImportStatementsResponse = answer
            ) -> pb.StreamImportStatementsResponse:
                for offset, draft in enumerate(asked.statements):
                    try:
                        answer.names.append(self._record.add(asked.parent, draft).name)
                    except Failure as failure:
                        answer.names.append("")
                        answer.failures.add(index=answer.first_index + offset, status=error_status(failure.error))
                return answer

            try:
                kept = self._record.once(request.parent, request, work)
                if kept is not answer:
                    answer.names.extend(kept.names)
                    answer.failures.extend(kept.failures)
                    for failed in answer.failures:
                        failed.index += answer.first_index - kept.first_index
                    answer.replayed = True
            except Failure as failure:
                answer.error.CopyFrom(error_status(failure.error))
            index += len(request.statements)
            yield answer

    def GetStatement(self, request: pb.GetStatementRequest, context: grpc.ServicerContext) -> Any:
        return self._answer(context, lambda: pb.GetStatementResponse(statement=self._record.get(request.name)))

    def ListStatements(self, request: pb.ListStatementsRequest, context: grpc.ServicerContext) -> Any:
        def work() -> pb.ListStatementsResponse:
            there = self._record.of(request.parent, request.filter)
            page, token = _page(there, request.page_size, request.page_token)
            return pb.ListStatementsResponse(statements=page, next_page_token=token, total_size=len(there))

        return self._answer(context, work)

    def SearchStatements(self, request: pb.SearchStatementsRequest, context: grpc.ServicerContext) -> Any:
        def work() -> pb.SearchStatementsResponse:
            found = self._record.search(request.parent, request.query, request.filter)
            page, token = _page(found, request.page_size, request.page_token)
            results = [pb.SearchResult(statement=item, score=0.5, similarity=0.5) for item in page]
            return pb.SearchStatementsResponse(results=results, next_page_token=token)

        return self._answer(context, work)

    def ExportStatements(
        self, request: pb.ExportStatementsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ExportStatementsResponse]:
        there = self._answer(context, lambda: self._record.of(request.parent))
        for begin in range(0, max(1, len(there)), PAGE):
            yield pb.ExportStatementsResponse(statements=there[begin : begin + PAGE], total_size=len(there))

    def UpdateStatement(self, request: pb.UpdateStatementRequest, context: grpc.ServicerContext) -> Any:
        def work() -> pb.UpdateStatementResponse:
            changed = self._record.update(request.statement, list(request.update_mask.paths))
            return pb.UpdateStatementResponse(statement=changed)

        return self._answer(context, work)

    def DeleteStatement(self, request: pb.DeleteStatementRequest, context: grpc.ServicerContext) -> Any:
        def work() -> pb.DeleteStatementResponse:
            self._record.delete(request.name, request.etag)
            return pb.DeleteStatementResponse()

        return self._answer(context, work)

    def RetractStatement(self, request: pb.RetractStatementRequest, context: grpc.ServicerContext) -> Any:
        def work() -> pb.RetractStatementResponse:
            changed = self._record.set_state(
                request.name, request.etag, statement_pb2.STATE_RETRACTED, "", request.state_time
            )
            return pb.RetractStatementResponse(statement=changed)

        return self._answer(context, work)

    def SupersedeStatement(self, request: pb.SupersedeStatementRequest, context: grpc.ServicerContext) -> Any:
        def work() -> pb.SupersedeStatementResponse:
            self._record.get(request.name, request.etag)
            if request.HasField("statement"):
                successor = self._record.add(request.name.partition("/statements/")[0], request.statement)
            else:
                successor = self._record.get(request.superseded_by)
            if successor.name == request.name:
                raise Failure(invalid("superseded_by", "is the statement itself", "NO_SUCCESSOR"))
            changed = self._record.set_state(
                request.name, request.etag, statement_pb2.STATE_SUPERSEDED, successor.name, request.state_time
            )
            return pb.SupersedeStatementResponse(statement=changed, successor=successor)

        return self._answer(context, work)

    def ReinstateStatement(self, request: pb.ReinstateStatementRequest, context: grpc.ServicerContext) -> Any:
        def work() -> pb.ReinstateStatementResponse:
            changed = self._record.set_state(request.name, request.etag, statement_pb2.STATE_ACTIVE, "", None)
            return pb.ReinstateStatementResponse(statement=changed)

        return self._answer(context, work)

    def IngestDocument(self, request: pb.IngestDocumentRequest, context: grpc.ServicerContext) -> Any:
        def work() -> Any:
            raise Failure(
                ServerError("the fake server reads no documents; add statements instead", code="UNIMPLEMENTED")
            )

        return self._answer(context, work)

    def CreateCollection(self, request: pb.CreateCollectionRequest, context: grpc.ServicerContext) -> Any:
        def work(asked: pb.CreateCollectionRequest) -> pb.CreateCollectionResponse:
            made = self._record.create_collection(asked.collection, asked.collection_id)
            return pb.CreateCollectionResponse(collection=made)

        return self._answer(context, lambda: self._record.once("", request, work))

    def GetCollection(self, request: pb.GetCollectionRequest, context: grpc.ServicerContext) -> Any:
        return self._answer(context, lambda: pb.GetCollectionResponse(collection=self._record.collection(request.name)))

    def ListCollections(self, request: pb.ListCollectionsRequest, context: grpc.ServicerContext) -> Any:
        def work() -> pb.ListCollectionsResponse:
            there = self._record.collections()
            page, token = _page(there, request.page_size, request.page_token)
            return pb.ListCollectionsResponse(collections=page, next_page_token=token, total_size=len(there))

        return self._answer(context, work)

    def UpdateCollection(self, request: pb.UpdateCollectionRequest, context: grpc.ServicerContext) -> Any:
        def work() -> pb.UpdateCollectionResponse:
            changed = self._record.update_collection(request.collection, list(request.update_mask.paths))
            return pb.UpdateCollectionResponse(collection=changed)

        return self._answer(context, work)

    def DeleteCollection(self, request: pb.DeleteCollectionRequest, context: grpc.ServicerContext) -> Any:
        def work() -> pb.DeleteCollectionResponse:
            deleted = self._record.delete_collection(request.name, request.etag, request.force)
            return pb.DeleteCollectionResponse(deleted_count=deleted)

        return self._answer(context, work)


def _page(there: list[Any], size: int, token: str) -> tuple[list[Any], str]:
    """One page after the name in the token, and the next token."""
    begin = 0
    if token:
        begin = next((place + 1 for place, item in enumerate(there) if item.name == token), len(there))
    page = there[begin : begin + (size or PAGE)]
    return page, page[-1].name if begin + len(page) < len(there) else ""
