"""What earlier calls gave, kept for requests that go on from it."""

from __future__ import annotations

from collections import deque
from typing import Any

from google.protobuf.message import Message

from onrecord.v1 import check_service_pb2 as checks
from onrecord.v1 import statement_pb2

KEPT = 120


class Memory:
    """The newest `KEPT` of each: statements and collections as last seen, results of checks with their claims, page
    tokens with their requests, documents, and requests that had a request id, with their method.
    """

    def __init__(self) -> None:
        self.statements: dict[str, statement_pb2.Statement] = {}
        self.collections: dict[str, statement_pb2.Collection] = {}
        self.checked: deque[tuple[checks.Claim, checks.CheckResult]] = deque(maxlen=KEPT)
        self.tokens: dict[str, deque[tuple[Message, str]]] = {}
        self.bodies: deque[tuple[str, Any]] = deque(maxlen=KEPT)
        self.documents: deque[Any] = deque(maxlen=KEPT)

    def learn(self, method: str, requests: list[Any], answers: list[Any]) -> None:
        """Keep what a call gave that ended well. Both lists may be empty."""
        for asked, answer in zip(requests, answers, strict=False):
            if method in ("CheckClaim", "ReplayCheck", "StreamCheckClaims"):
                self._checked([asked.claim], [answer])
            elif method == "BatchCheckClaims":
                self._checked(asked.claims, answer.items)
            elif method == "DeleteStatement":
                self.statements.pop(asked.name, None)
            elif method == "DeleteCollection":
                self.collections.pop(asked.name, None)
            elif method == "IngestDocument":
                self.documents.append(asked)
            if token := getattr(answer, "next_page_token", ""):
                self.tokens.setdefault(method, deque(maxlen=KEPT)).append((asked, token))
        for answer in answers[:2]:
            self._keep(answer)
        self.bodies.extend((method, asked) for asked in requests if getattr(asked, "request_id", ""))

    def _checked(self, claims: Any, outcomes: Any) -> None:
        pairs = zip(claims, outcomes, strict=False)
        self.checked.extend((claim, outcome.result) for claim, outcome in pairs if outcome.HasField("result"))

    def _keep(self, message: Message) -> None:
        """The statements and collections in an answer; those in evidence are of then, and so are their etags."""
        for field, value in message.ListFields():
            if field.message_type is None:
                continue
            for part in (value if not isinstance(value, Message) else [value])[:5]:
                if isinstance(part, statement_pb2.Statement):
                    _newest(self.statements, part.name, part)
                elif isinstance(part, statement_pb2.Collection):
                    _newest(self.collections, part.name, part)
                elif field.name != "result":
                    self._keep(part)


def _newest(known: dict[str, Any], name: str, value: Message) -> None:
    if name:
        known.pop(name, None)
        known[name] = value
        if len(known) > KEPT:
            del known[next(iter(known))]
