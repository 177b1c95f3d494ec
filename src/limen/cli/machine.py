"""Make this machine's memory allocator and cores fit for tensors."""

from __future__ import annotations

import ctypes
import os
import platform
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEEP = 2**31 - 1


def prepare() -> None:
    """Keep freed memory for the next tensor, and leave cores to others while there is nothing to do.

    Call it before torch is imported. By default glibc maps every large tensor from the kernel, page
    by page faulted in and zeroed, and unmaps it when it is freed, which costs more than computing its
    values; and torch's threads spin while they wait for each other, which on a machine that does
    anything else made a run five times slower. What the user has set stays; where there is no glibc or
    OpenMP, nothing happens.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        # Processes that this one starts read them when they begin.
        os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(_KEEP))
        os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(_KEEP))
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _KEEP)
        mallopt(_M_TRIM_THRESHOLD, _KEEP)
