"""Requests that go on from earlier answers: nearly valid ones, which reach what requests made by themselves seldom do.

They hold what earlier calls gave, as it should be held or with something wrong: a stale etag, the token of another
query, a request id with another body, the result of a check with something in it changed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from making import PEOPLE, SENTENCES, Maker
from parts import Parts
from remembering import Memory

from onrecord.v1 import check_service_pb2 as checks
from onrecord.v1 import statement_service_pb2 as statements

MUTATED = 0.2
BULK: dict[str, Any] = {
    "BatchCreateStatements": statements.BatchCreateStatementsRequest,
    "ImportStatements": statements.ImportStatementsRequest,
    "StreamImportStatements": statements.StreamImportStatementsRequest,
}
UPDATABLE = (
    "text", "context", "speaker", "speaker.name", "speaker.aliases", "relayed_by", "stance", "source", "source.uri",
    "source.title", "source.publisher", "source.publish_time", "stated_time", "valid_from", "valid_until", "labels",
    "original", "*",
)  # fmt: skip
NOT_UPDATABLE = (
    "name",
    "etag",
    "state",
    "superseded_by",
    "create_time",
    "document",
    "nothing",
    "source.",
    "text.x",
    "",
)
EMPTIED = ("speaker", "source", "labels", "stance", "text")
OPTIONAL_OF_RESULT = ("evidence", "attribution", "parts", "reason")


class Follower:
    """Makes requests of every method of the contract that has fields."""

    def __init__(self, maker: Maker) -> None:
        self.memory = Memory()
        self.maker = maker
        self.parts = Parts(maker, self.memory)
        self.recipes: dict[str, Callable[[], Any]] = {
            "BatchCheckClaims": self.batch,
            **{name: partial(self.bulk, name) for name in BULK},
            "CheckClaim": lambda: self.check(checks.CheckClaimRequest),
            "CreateCollection": self.create_collection,
            "CreateStatement": self.create,
            "DeleteCollection": self.delete_collection,
            "DeleteStatement": lambda: self.named(statements.DeleteStatementRequest),
            "ExportStatements": self.export,
            "GetCollection": lambda: statements.GetCollectionRequest(name=self.collection_name()),
            "GetStatement": lambda: statements.GetStatementRequest(name=self.parts.statement_name()),
            "IngestDocument": self.ingest,
            "ListCollections": self.list_collections,
            "ListStatements": self.list_statements,
            "ReinstateStatement": lambda: self.named(statements.ReinstateStatementRequest),
            "ReplayCheck": self.replay,
            "ScorePairs": self.pairs,
            "RetractStatement": lambda: self.named(statements.RetractStatementRequest),
            "SearchStatements": self.search,
            "StreamCheckClaims": lambda: self.check(checks.StreamCheckClaimsRequest),
            "SupersedeStatement": self.supersede,
            "UpdateCollection": self.update_collection,
            "UpdateStatement": self.update,
        }

    def requests(self, method: str, count: int) -> list[bytes]:
        """So many requests of the method, of one call; of some a field somewhere is not as it should be."""
        chance, made = self.maker.chance, [self.recipes[method]() for _ in range(count)]
        if method == "ImportStatements" and chance.random() < 0.8:
            for message in made[1:]:
                message.parent = made[0].parent
        for message in made:
            if chance.random() < MUTATED:
                self.parts.mutator.mutate(message, chance.choice((1, 1, 2, 4)))
        return [message.SerializeToString() for message in made]

    # checks

    def check(self, kind: Any) -> Any:
        """A claim about what is on the record."""
        made = kind(parent=self.parts.parent(), claim=self.parts.claim())
        self.parts.options(made)
        return made

    def batch(self) -> Any:
        """Some of them."""
        claims = [self.parts.claim() for _ in range(self.maker.chance.choice((1, 2, 5)))]
        made = checks.BatchCheckClaimsRequest(parent=self.parts.parent(), claims=claims)
        self.parts.options(made)
        return made

    def pairs(self) -> Any:
        """Of what is on the record and what is claimed; seldom as many as there may be, or one more."""
        count = self.maker.chance.choice((1, 2, 5)) if self.maker.chance.random() < 0.98 else 257
        texts = [(self.parts.known_statement().text, self.parts.claim().text[:2_000]) for _ in range(min(count, 5))]
        made = [checks.Pair(premise=premise, hypothesis=claim) for premise, claim in texts]
        return checks.ScorePairsRequest(pairs=(made * count)[:count])

    def replay(self) -> Any:
        """A check that was made, its provenance or the rest of its result perhaps changed on the way."""
        chance, known, mutate = self.maker.chance, self.memory.checked, self.parts.mutator.mutate
        if not known:
            return checks.ReplayCheckRequest(claim=self.parts.claim())
        claim, result = chance.choice(known)
        made = checks.ReplayCheckRequest(claim=claim, result=result, record_as_now=chance.random() < 0.3)
        draw = chance.random()
        if draw < 0.15:
            made.parent = self.parts.parent()
        elif draw < 0.3:
            made.claim.CopyFrom(self.parts.claim())
        elif draw < 0.5:
            mutate(made.result.provenance, chance.choice((1, 2, 5)))
        elif draw < 0.6:
            mutate(made.result, chance.choice((1, 3)))
        elif draw < 0.65:
            made.result.ClearField(chance.choice(OPTIONAL_OF_RESULT))
        elif draw < 0.7:
            made.result.evidence.extend(chance.choice(known)[1].evidence)
        return made

    # one statement

    def create(self) -> Any:
        """A new one."""
        parent = self.parts.parent()
        made = statements.CreateStatementRequest(parent=parent, statement=self.parts.statement(parent))
        return self.parts.identified("CreateStatement", made)

    def named(self, kind: Any) -> Any:
        """A request that names a statement and its etag, and perhaps a time."""
        name = self.parts.statement_name()
        made = kind(name=name, etag=self.parts.etag(self.memory.statements, name))
        if "state_time" in made.DESCRIPTOR.fields_by_name:
            self.parts.time(made, "state_time", 0.3)
        return made

    def update(self) -> Any:
        """New values for some fields, or for what the mask leaves to them."""
        chance = self.maker.chance
        made = statements.UpdateStatementRequest(statement=self.parts.statement(""))
        if chance.random() < 0.2:
            made.statement.ClearField(chance.choice(EMPTIED))
        made.statement.name = self.parts.statement_name()
        made.statement.etag = self.parts.etag(self.memory.statements, made.statement.name)
        if chance.random() < 0.8:
            made.update_mask.paths.extend(chance.sample(UPDATABLE, chance.choice((1, 1, 2, 5, len(UPDATABLE)))))
            if chance.random() < 0.15:
                made.update_mask.paths.append(chance.choice(NOT_UPDATABLE))
        return made

    def supersede(self) -> Any:
        """By a new one, by another one of the collection, by itself, by one of elsewhere."""
        chance = self.maker.chance
        made = self.named(statements.SupersedeStatementRequest)
        parent, draw = made.name.partition("/statements/")[0], chance.random()
        if draw < 0.5:
            made.statement.CopyFrom(self.parts.statement(parent))
        else:
            near = [name for name in self.memory.statements if name.startswith(f"{parent}/")]
            made.superseded_by = chance.choice((*near, made.name)) if draw < 0.9 else self.parts.statement_name()
        return made

    # many statements

    def list_statements(self) -> Any:
        """A page."""
        made = statements.ListStatementsRequest(parent=self.parts.parent())
        self.parts.filter(made)
        return self.parts.page("ListStatements", made, self.parts.filter)

    def search(self) -> Any:
        """A page of what is near to a text or a name that is on the record."""
        chance, one = self.maker.chance, self.parts.known_statement()
        query = chance.choice((one.text[:1_000], self.parts.words(), one.speaker.name)) or "x"
        made = statements.SearchStatementsRequest(parent=self.parts.parent(), query=query)
        self.parts.filter(made)
        if chance.random() < 0.3:
            made.min_similarity = chance.choice((-1.0, 0.0, 0.3, 1.0))

        def other_query(message: Any) -> None:
            message.query = self.parts.words()

        return self.parts.page("SearchStatements", made, chance.choice((other_query, self.parts.filter)))

    def export(self) -> Any:
        """Of a collection, perhaps narrowed."""
        made = statements.ExportStatementsRequest(parent=self.parts.parent())
        self.parts.filter(made)
        return made

    def bulk(self, method: str) -> Any:
        """A few statements; seldom as many as there may be, or one more."""
        chance, parent = self.maker.chance, self.parts.parent()
        made = BULK[method](parent=parent, defer_index=chance.random() < 0.3)
        count = chance.choice((1, 2, 5)) if chance.random() < 0.99 else chance.choice((500, 501))
        made.statements.extend(self.parts.statement(parent) for _ in range(count))
        return self.parts.identified(method, made)

    def ingest(self) -> Any:
        """A document, or one of before."""
        chance, made = self.maker.chance, statements.IngestDocumentRequest()
        if self.memory.documents and chance.random() < 0.3:
            made.CopyFrom(chance.choice(self.memory.documents))
            return made
        made.parent = self.parts.parent()
        made.text = "\n\n".join(" ".join(chance.choices(SENTENCES, k=3)) for _ in range(chance.randint(1, 4)))
        made.source.publisher = chance.choice(PEOPLE)
        made.dry_run = chance.random() < 0.3
        return made

    # collections

    def collection_name(self) -> str:
        """Of one that is, or was, on the record."""
        return str(self.parts.pick(self.memory.collections, "collections/fuzz-0"))

    def create_collection(self) -> Any:
        """With an id of the server's, or one that may be taken."""
        made = statements.CreateCollectionRequest(collection_id=self.maker.chance.choice(("", "fuzz-0", "fuzz-4")))
        made.collection.display_name = self.parts.words()[:200]
        return self.parts.identified("CreateCollection", made)

    def list_collections(self) -> Any:
        """A page."""
        return self.parts.page("ListCollections", statements.ListCollectionsRequest(), lambda message: None)

    def update_collection(self) -> Any:
        """New names, emptied ones, and masks of both."""
        chance, name = self.maker.chance, self.collection_name()
        made = statements.UpdateCollectionRequest()
        made.collection.name = name
        made.collection.etag = self.parts.etag(self.memory.collections, name)
        made.collection.display_name = chance.choice(("", "A name", self.parts.words()[:200]))
        made.collection.description = chance.choice(("", self.parts.words()))
        if chance.random() < 0.7:
            paths = ["display_name", "description", "*"] if chance.random() < 0.9 else ["statement_count", "etag", ""]
            made.update_mask.paths.extend(chance.sample(paths, chance.randint(1, 2)))
        return made

    def delete_collection(self) -> Any:
        """Seldom with all that is in it."""
        name, force = self.collection_name(), self.maker.chance.random() < 0.15
        etag = self.parts.etag(self.memory.collections, name)
        return statements.DeleteCollectionRequest(name=name, etag=etag, force=force)
