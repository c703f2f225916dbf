"""A worker as a process of its own: ``python -m convstage.search.hand FOLDER``, begun by `convstage.search.crew`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from ..errors import ConvstageError, TrainingStopped


def main(arguments: Sequence[str] | None = None) -> int:
    """Work for the search in a folder until it is done, its parent is gone, or somebody wants it to stop."""
    from .crew import STORAGE
    from .make import resume

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--parent", type=int, help="the process that must be there; without it, stop")
    parser.add_argument("--heartbeat", type=int)
    parser.add_argument("--timeout", type=float)
    asked = parser.parse_args(arguments)

    def should_stop() -> int:
        return signal.SIGTERM if asked.parent is not None and os.getppid() != asked.parent else 0

    try:
        resume(
            asked.folder,
            storage=os.environ.get(STORAGE),
            timeout=asked.timeout,
            threads=asked.threads,
            heartbeat=asked.heartbeat,
            should_stop=should_stop,
            finishes=False,
        )
    except TrainingStopped as stopped:
        print(f"convstage: {stopped}", file=sys.stderr)  # noqa: T201  # its log
        return 0
    except ConvstageError as error:
        print(f"convstage: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
