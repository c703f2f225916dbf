"""Large blocks of memory come back to the process, instead of being mapped and unmapped at every step.

A training step allocates and frees the same hundreds of megabytes again and again. As it
comes, glibc maps blocks beyond a threshold anew each time, and the kernel clears every
page on first touch. With three options of its own allocator, set once, freed blocks stay
with the process; and the stage's large results live in blocks of their own, so that small
ones cannot come to lie between them (csrc/blocks.h). ``CONVSTAGE_MALLOC=off`` leaves all as it is.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

from .stage.load import library

#: Numbers of the options in glibc's malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
#: Grow the heap by this much at a time.
TOP_PAD = 256 << 20
#: Give nothing back to the system below this, the largest that the option takes.
NEVER = 2**31 - 1


@cache
def keep_memory() -> bool:
    """Set the options, once for the process; return whether the allocator's are set.

    Only glibc has them; elsewhere, or when another allocator is preloaded, that one stays as it is.
    """
    if os.environ.get("CONVSTAGE_MALLOC") == "off":
        return False
    if (loaded := library()) is not None:
        loaded.convstage_keep_blocks(True)
    if not sys.platform.startswith("linux"):
        return False
    if any(name in os.environ.get("LD_PRELOAD", "") for name in ("tcmalloc", "jemalloc", "mimalloc")):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False  # another C library
    return all([mallopt(M_MMAP_MAX, 0), mallopt(M_TRIM_THRESHOLD, NEVER), mallopt(M_TOP_PAD, TOP_PAD)])
