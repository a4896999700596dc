"""The record: statements kept durably, and found again."""

from onrecord_server.store.base import FloatArray, Hit, Page, StatementStore
from onrecord_server.store.sqlite import open_store

__all__ = ["FloatArray", "Hit", "Page", "StatementStore", "open_store"]
