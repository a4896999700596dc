"""Fakes for the tests of code that calls onrecord: no server, no model, no network beyond this machine.

    >>> from onrecord import Verdict
    >>> from onrecord.testing import FakeServer
    >>> with FakeServer() as server, server.client() as client:
    ...     server.says("It rains.", Verdict.SUPPORTED, evidence=["Rain falls."])
    ...     client.check("It rains.").verdict
    <Verdict.SUPPORTED: 'SUPPORTED'>

With pytest the fixture `onrecord_server` is a FakeServer for one test; it is there as soon as onrecord is installed.
"""

from __future__ import annotations

from onrecord.testing._server import CheckCall, FakeServer

__all__ = ["CheckCall", "FakeServer"]
