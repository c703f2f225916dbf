"""The order in which streamed images are trained on: shuffled, and still near to how they lie.

Shards are shuffled, and their images follow one another. This row is cut into as many lanes
as a batch has places: the i-th image of every batch comes from the i-th lane. Within a lane,
images are shuffled in windows (the shuffle buffer of tf.data, Murray et al. 2021, done on
numbers instead of images). So

- the order is known in advance, as a function of the seed, the epoch and the size of a batch:
  a training goes on at any step without anything being read again, and every image comes
  once an epoch;
- the images of a batch come from all over the shards, though each lane reads on near to
  where it read before;
- machines that share out the places of a batch read different shards, whatever their number.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

#: Images that are shuffled among each other, over all lanes.
WINDOW = 10_000


def batches_near(
    rows: Ints, shard: Ints, offset: Ints, count: int, random: np.random.Generator, window: int = WINDOW
) -> list[Ints]:
    """Return the images of an epoch as batches, whose places each read on near to where they read before.

    Parameters
    ----------
    rows : ndarray of int, shape (n,)
        The images that are wanted; one may be there more than once.
    shard, offset : ndarray of int, shape (n,)
        Where each of them lies.
    count : int
        Number of batches, at most n.
    random : Generator
        Source of all randomness.
    window : int
        Images that are shuffled among each other, over all lanes; as many as lie next to one
        another in a lane, at least 1.

    Returns
    -------
    list of ndarray of int, length count
        Sizes differ by one at most, the larger ones first, as those of ``np.array_split``.
    """
    n = len(rows)
    known, number = np.unique(shard, return_inverse=True)
    turn = random.permutation(len(known))[number]
    line = rows[np.lexsort((offset, turn))]
    places, longer = divmod(n, count)
    lanes = places + (longer > 0)
    lane, step = np.divmod(np.arange(n), count)  # the last lane is shorter: only the larger batches have its place
    width = max(1, window // lanes)
    phase = random.integers(width, size=lanes)[lane]
    keys = ((step + phase) // width) + random.random(n)
    line = line[np.lexsort((keys, lane))]
    whole = line[: places * count].reshape(places, count).T
    last = line[places * count :]
    return [np.append(whole[number], last[number]) if number < longer else whole[number] for number in range(count)]
