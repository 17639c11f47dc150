"""Memory: what is freed is kept for the next step."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # names of <malloc.h>
NEVER = 2**31 - 1  # bytes


def keep_freed_memory() -> None:
    """Tells glibc not to give large blocks back to the kernel, for as long as this process lives.

    Otherwise each activation of each step comes as new pages that the kernel fills with zeros first: 20 to 30 % of all
    CPU time of a convolutional network. Does nothing where the C library has no such switch.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, NEVER)
        mallopt(M_TRIM_THRESHOLD, NEVER)
