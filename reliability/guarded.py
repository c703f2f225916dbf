"""Tensors whose numbers lie flush against a page that may not be touched: reading past them ends the process."""

from __future__ import annotations

import ctypes
import mmap
import os

import torch
from torch import Tensor

PAGE = mmap.PAGESIZE
_C = ctypes.CDLL(None, use_errno=True)
_C.mmap.restype = ctypes.c_void_p
_C.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_C.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def guarded(tensor: Tensor, at_end: bool) -> Tensor:
    """Return a copy in channels-last order, for reading only, that ends (or begins) at a page without access.

    Its memory stays with the process: this is for a few hundred small tensors.
    """
    last = tensor.permute(0, 2, 3, 1) if tensor.dim() == 4 else tensor
    numbers = last.contiguous().numpy().tobytes()
    body = -(-len(numbers) // PAGE) * PAGE
    start = _C.mmap(
        None, body + 2 * PAGE, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0
    )
    if start == ctypes.c_void_p(-1).value:
        raise MemoryError(os.strerror(ctypes.get_errno()))
    at = start + PAGE + (body - len(numbers) if at_end else 0)
    ctypes.memmove(at, numbers, len(numbers))
    for place, length, access in (
        (start, PAGE, 0),
        (start + PAGE + body, PAGE, 0),
        (start + PAGE, body, mmap.PROT_READ),
    ):
        if length and _C.mprotect(place, length, access) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if not numbers:
        return tensor
    memory = (ctypes.c_uint8 * len(numbers)).from_address(at)
    flat = torch.frombuffer(memory, dtype=tensor.dtype)
    shaped = flat.view(last.shape)
    return shaped.permute(0, 3, 1, 2) if tensor.dim() == 4 else shaped
