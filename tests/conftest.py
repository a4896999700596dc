"""For all tests: what a child process inherits does not depend on how the tests were started."""

from __future__ import annotations

import signal

# A shell lets what it starts in the background ignore Ctrl-C, and so would every command that is to be interrupted here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
