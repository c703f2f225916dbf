"""Work done by threads that stay a little ahead of whoever takes the results."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def in_parallel(work: Callable[[int], T], count: int) -> Iterator[T]:
    """Yield ``work(0), work(1), …`` in order; what one of them raises ends it."""
    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        indices = iter(range(count))
        ahead = deque(pool.submit(work, index) for index in islice(indices, 8 * threads))
        while ahead:
            done = ahead.popleft()
            ahead.extend(pool.submit(work, index) for index in islice(indices, 1))
            yield done.result()
