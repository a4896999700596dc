"""What the C library does with memory that a batch has given back."""

from __future__ import annotations

import ctypes
import functools
import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_KEPT = 256 << 20  # bytes kept at the top of a heap
_MAPPED = 32 << 20  # bytes from which a block is mapped by itself; glibc takes no more
_OPERATORS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES", "LD_PRELOAD")


@functools.cache
def keep_freed() -> bool:
    """Have glibc keep what a forward frees, for the next; whether it does.

    Nothing is changed elsewhere, nor where the operator has set the allocator himself.

    By default it returns the top of its heap to the kernel after nearly every product, and each page comes back by a
    fault: up to a third of the CPU time (docs/benchmarks.md). Both thresholds are set, as setting one fixes the other
    at its small default.
    """
    if not sys.platform.startswith("linux") or any(name in os.environ for name in _OPERATORS):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _MAPPED)) and bool(mallopt(_M_TRIM_THRESHOLD, _KEPT))


def give_back() -> None:
    """Return to the kernel what is free now, after work that took more than what follows: loading, a document.

    Only where `keep_freed` keeps it.
    """
    if keep_freed():
        ctypes.CDLL(None).malloc_trim(0)
