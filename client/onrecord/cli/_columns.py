"""The columns that a result has in CSV and Parquet."""

from __future__ import annotations

COLUMNS: dict[str, str] = {
    "verdict": "SUPPORTED, CONTRADICTED, CONFLICTING or NOT_ENOUGH_EVIDENCE; empty when there is an error",
    "confidence": "0 to 1",
    "reason": "why it is undecided, or decided by who said it",
    "explanation": "the same in a sentence",
    "supporting_speakers": "names; in CSV parted by ; and a blank",
    "contradicting_speakers": "the same of those who contradict it",
    "evidence_relation": "of the first piece of evidence: SUPPORTS, CONTRADICTS or NEUTRAL",
    "evidence_speaker": "who said it",
    "evidence_date": "when, 2021-08-29",
    "evidence_quote": "the original words",
    "evidence_statement": "resource name of the statement",
    "evidence_similarity": "0 to 1",
    "model": "model and revision that the verdict was made with",
    "error_code": "of a line that could not be checked: the gRPC code",
    "error_reason": "BAD_LINE, or one of docs/errors.md",
    "error_message": "what is wrong with it",
}
LISTS = ("supporting_speakers", "contradicting_speakers")
NUMBERS = ("confidence", "evidence_similarity")
RESULT_COLUMN = "result"
"""In Parquet only: the whole result as JSON, as JSON lines have it."""
