"""Documents -> attributed statements; claims -> attribution. Rules, and a tagger handed in: no model, no I/O."""

from onrecord_server.ingest.claims import parse_claim
from onrecord_server.ingest.compounds import ClaimPiece, split_claim
from onrecord_server.ingest.document import IngestedDocument, document_id, ingest_document
from onrecord_server.ingest.scan import find_attributions
from onrecord_server.ingest.spans import sentence_spans
from onrecord_server.ingest.tagging import Tagger

__all__ = [
    "ClaimPiece",
    "IngestedDocument",
    "Tagger",
    "document_id",
    "find_attributions",
    "ingest_document",
    "parse_claim",
    "sentence_spans",
    "split_claim",
]
