"""Make this machine's memory allocator and cores fit for tensors."""

from __future__ import annotations

import ctypes
import platform
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEEP = 2**31 - 1


def prepare() -> None:
    """Let glibc keep freed memory for the next tensor instead of handing it back each time.

    By default every large tensor is mapped from the kernel, page by page faulted in and zeroed, and
    unmapped when freed, which costs more than computing its values. Elsewhere than on Linux with
    glibc nothing is done.
    """
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(_M_MMAP_THRESHOLD, _KEEP)
    mallopt(_M_TRIM_THRESHOLD, _KEEP)
