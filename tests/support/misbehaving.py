"""Cases that do what none may, for the processes that watch over cases."""

from __future__ import annotations

import os
import signal
import time

CRASHES, HANGS, RAISES, PRINTS, FILLS, FAILS, REFUSED, FINE = range(8)


def misbehave(number: int) -> tuple[str, str]:
    match number:
        case 0:
            os.kill(os.getpid(), signal.SIGSEGV)
        case 1:
            time.sleep(600)
        case 2:
            raise KeyError("of no use")
        case 3:
            os.write(2, b"words of a library")
        case 4:
            assert bytearray(b"x") * (200 << 20)
        case 5:
            return "", "it says so itself"
        case 6:
            return "a reason", ""
    return "", ""
