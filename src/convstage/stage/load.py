"""Which implementation of the stage is active, and why.

The compiled kernels are one library beside this file, for every torch from 2.10 on. It
holds them for several instruction sets; the widest that this machine has runs, or the
one that ``CONVSTAGE_ISA`` names. Without the library everything works, slower.
"""

from __future__ import annotations

import ctypes
import os
import sys
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from .autograd import register

#: The compiled library; `pip install` makes it when there is a C++ compiler.
KERNELS = Path(__file__).parent / "_stage.so"
#: Value of CONVSTAGE_ISA that leaves the library out.
OFF = "off"


@dataclass(frozen=True, slots=True)
class Implementation:
    """An implementation of the stage operator.

    Attributes
    ----------
    name : str
        What runs.
    reason : str
        Why this one.
    compiled : bool
        Whether it is the compiled kernel.
    """

    name: str
    reason: str
    compiled: bool = False


def active() -> Implementation:
    """Return the implementation that `convstage.stage.conv_relu_pool` uses on this machine."""
    loaded, problem = _load()
    if loaded is None:
        return Implementation("composed torch operations", problem)
    isa = loaded.convstage_instruction_set().decode()
    asked = os.environ.get("CONVSTAGE_ISA", "")
    reason = f"CONVSTAGE_ISA={asked}" if asked == isa else f"the widest of {', '.join(instruction_sets())} here"
    return Implementation(f"compiled kernel, {isa}", reason, compiled=True)


def loaded() -> bool:
    """Return whether the compiled kernel is there; the compiler of torch asks once, and does not look inside."""
    return _load()[0] is not None


# What `torch.compiler.assume_constant_result` does; that one would load the compiler, 70 MB, for everybody.
loaded._dynamo_marked_constant = True  # type: ignore[attr-defined]


def library() -> ctypes.CDLL | None:
    """Return the loaded library, or None."""
    return _load()[0]


def instruction_sets() -> tuple[str, ...]:
    """Return the instruction sets that both library and machine have, the widest first; none without the library."""
    names: list[str] = []
    while (loaded := library()) is not None and (name := loaded.convstage_instruction_set_at(len(names))) is not None:
        names.append(name.decode())
    return tuple(names)


def choose(isa: str) -> None:
    """Let another of `instruction_sets` run from now on, in this process."""
    loaded, problem = _load()
    if loaded is None or not loaded.convstage_choose(isa.encode()):
        known = ", ".join(instruction_sets()) or f"none, since {problem}"
        raise ValueError(f"there is no instruction set {isa!r} here; there are {known}.")


@cache
def _load() -> tuple[ctypes.CDLL | None, str]:
    """Return the library, or None and why not."""
    asked = os.environ.get("CONVSTAGE_ISA", "")
    if asked == OFF:
        return None, "CONVSTAGE_ISA=off"
    if not KERNELS.exists() and sys.platform == "win32":
        return None, _warn("there is no compiled kernel for Windows", "Run it on Linux, of which WSL is one,")
    if not KERNELS.exists():
        return None, _warn("the compiled kernel was not built: there was no C++ compiler at installation")
    try:
        torch.ops.load_library(KERNELS)  # type: ignore[no-untyped-call]
        found = ctypes.CDLL(str(KERNELS))
    except OSError as error:
        return None, _warn(f"the compiled kernel cannot be loaded: {error}")
    register()
    _declare(found)
    if asked and not found.convstage_choose(asked.encode()):
        _warn(f"this machine has no instruction set CONVSTAGE_ISA={asked}; the widest that it has is used")
    return found, ""


def _declare(found: ctypes.CDLL) -> None:
    """Tell ctypes the types of the library's functions, csrc/dispatch.cpp, register.cpp, program.cpp."""
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    declarations: dict[str, tuple[Any, list[Any]]] = {
        "instruction_set": (ctypes.c_char_p, []),
        "instruction_set_at": (ctypes.c_char_p, [ctypes.c_int32]),
        "choose": (ctypes.c_int32, [ctypes.c_char_p]),
        "keep_blocks": (ctypes.c_bool, [ctypes.c_bool]),
        "program_new": (pointer, []),
        "program_delete": (None, [pointer]),
        "program_add_stage": (ctypes.c_bool, [pointer, ctypes.POINTER(number), pointer, pointer]),
        "program_add_dense": (ctypes.c_bool, [pointer, number, number, ctypes.c_bool, pointer, pointer]),
        "program_run": (ctypes.c_bool, [pointer, number, pointer, pointer]),
    }
    for name, (result, arguments) in declarations.items():
        function = getattr(found, f"convstage_{name}")
        function.restype, function.argtypes = result, arguments


def _warn(problem: str, way_out: str = "Install a C++ compiler and convstage again,") -> str:
    warnings.warn(
        f"convstage: {problem}. Everything works, slower. {way_out} or set CONVSTAGE_ISA=off to go without.",
        stacklevel=2,
    )
    return problem
