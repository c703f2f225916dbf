"""What a training step costs on many machines, from constants that were measured on one: a model, and its tables.

A step of n processes with b images each takes

    t(b, n) = a + b / s + e(n)        e(n) = m · (2 (n - 1) · l + 2 (n - 1) / n · G / m / w)

a: what a step costs however few its images (the optimizer, Python); s: images a second;
e: m sums of the gradient's G bytes over a ring of n (Thakur, Rabenseifner and Gropp 2005;
Patarasuk and Yuan 2009), where l is the time of one message and w bytes a second go over the
link. Nothing is hidden behind the computation, and nobody is late: on a processor the two
share the cores, and the first is the worst case, the second the best.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: Numbers of machines, and networks: Gbit/s.
MACHINES = (1, 2, 8, 64, 512)
NETWORKS = (1, 10, 25)
#: Assumed of the networks: seconds that a message takes beside what it takes here, and what share of the nominal
#: bandwidth is data.
WIRE, USABLE = 50e-6, 0.9
#: Images of a step for each machine, and for all together.
PER_MACHINE, TOGETHER = (8, 32, 128), 1024


@dataclass(frozen=True)
class Worker:
    """What one process computes: seconds of a step beside its images, and images a second."""

    base: float
    speed: float

    def seconds(self, images: float) -> float:
        """Return the time of a step of so many images."""
        return self.base + images / self.speed


@dataclass(frozen=True)
class Link:
    """What sums over processes cost: seconds of a message, bytes a second, sums of a step."""

    message: float
    bandwidth: float
    sums: int

    def seconds(self, size: int, processes: int) -> float:
        """Return the time to sum `size` bytes over a ring of processes."""
        turns = 2 * (processes - 1)
        return self.sums * turns * self.message + turns / processes * size / self.bandwidth


def fit_worker(seconds: dict[int, float]) -> Worker:
    """Return what explains the seconds of steps, by their images, best (least squares of the relative error)."""
    weights = {images: 1 / value**2 for images, value in seconds.items()}
    total = sum(weights.values())
    mean_x = sum(weights[images] * images for images in seconds) / total
    mean_y = sum(weights[images] * value for images, value in seconds.items()) / total
    above = sum(weights[images] * (images - mean_x) * (value - mean_y) for images, value in seconds.items())
    slope = above / sum(weights[images] * (images - mean_x) ** 2 for images in seconds)
    base = max(0.0, mean_y - slope * mean_x)
    return Worker(base, mean_x / (mean_y - base))


def fit_link(seconds: dict[int, float], processes: int, sums: int) -> Link:
    """Return what explains the seconds of single sums, by their bytes, for so many processes."""
    turns = 2 * (processes - 1)
    smallest, largest = min(seconds), max(seconds)
    bandwidth = turns / processes * (largest - smallest) / (seconds[largest] - seconds[smallest])
    return Link(seconds[smallest] / turns, bandwidth, sums)


def over(network: float, link: Link) -> Link:
    """Return the link between machines of a network of so many Gbit/s; the software's share is as it is here."""
    return Link(link.message + WIRE, min(link.bandwidth, USABLE * network * 1e9 / 8), link.sums)


def speed(worker: Worker, link: Link, size: int, images: float, machines: int) -> float:
    """Return the images a second of all machines, with so many images for each in a step."""
    return machines * images / (worker.seconds(images) + link.seconds(size, machines))


def most_machines(worker: Worker, link: Link, size: int, images: float, efficiency: float) -> int | None:
    """Return up to how many machines each does its share of work, at least; None when there is no end below 10⁶."""
    alone = worker.seconds(images)
    enough = 1
    for exponent in range(1, 21):
        if alone / (alone + link.seconds(size, 2**exponent)) < efficiency:
            break
        enough = 2**exponent
    else:
        return None
    step = enough
    while step := step // 2:
        if alone / (alone + link.seconds(size, enough + step)) >= efficiency:
            enough += step
    return enough


def constants(result: dict) -> tuple[Worker, Worker, Link, int]:
    """Return a process of one thread, a machine, the link here, and the bytes of a gradient, from a result."""
    process = fit_worker(_numbered(result["step_seconds"]["1 thread"]))
    machine = fit_worker(_numbered(result["step_seconds"]["whole machine"]))
    link = fit_link(_numbered(result["sum_seconds"]), 2, result["sums_of_a_step"])
    return process, machine, link, result["gradient_bytes"]


def predicted(result: dict) -> dict[str, float]:
    """Return what the model says of two processes here, and how far that is from what was measured."""
    process, _, link, size = constants(result)
    pair = result["two_processes"]
    # What the second process takes from the first is measured with nothing sent, and with other numbers of images.
    slower = pair["side_by_side_seconds"] / process.seconds(pair["side_by_side_images"])
    batch = result["batch"]
    alone = process.seconds(batch)
    together = slower * process.seconds(batch / 2) + link.seconds(size, 2)
    gain, measured = alone / together, pair["alone_seconds"] / pair["together_seconds"]
    return {"predicted": gain, "measured": measured, "error": gain / measured - 1, "slower": slower}


def _numbered(values: dict[str, float]) -> dict[int, float]:
    return {int(name): value for name, value in values.items()}


# ------------------------------------------------------------- tables


def table(result: dict) -> str:
    """Return the prediction for two processes beside what was measured."""
    found, pair = predicted(result), result["two_processes"]
    batch = result["batch"]
    return markdown(
        ("1 → 2 processes of one thread", "predicted", "measured", "error of the model"),
        [
            (
                f"times as fast, {batch} images a step",
                f"{found['predicted']:.2f}",
                f"{found['measured']:.2f} ({batch / pair['alone_seconds']:,.0f} → "
                f"{batch / pair['together_seconds']:,.0f} images/s)",
                f"{found['error']:+.0%}",
            )
        ],
    )


def constants_table(result: dict) -> str:
    """Return the constants."""
    process, machine, link, size = constants(result)
    data = result["data"]
    rows = [
        ("images a second, one thread", f"{process.speed:,.0f}"),
        ("images a second, the whole machine", f"{machine.speed:,.0f}"),
        ("a step without images", f"{1e3 * process.base:.1f} ms"),
        ("two processes side by side, nothing sent", f"{predicted(result)['slower']:.2f} times as long"),
        ("gradient", f"{size / 1e6:.2f} MB, {result['parameters']:,} parameters"),
        ("sums over all processes in a step", str(link.sums)),
        ("one message", f"{1e6 * link.message:.0f} µs"),
        ("bandwidth", f"{8 * link.bandwidth / 1e9:.1f} Gbit/s"),
        ("shards: read, checked and decoded, one thread", f"{data['images_per_second']:,.0f} images/s"),
    ]
    return markdown(("measured here", ""), rows)


def scaling_table(result: dict) -> str:
    """Return speed and efficiency on many machines, with the same images for each."""
    _, machine, link, size = constants(result)
    images = result["batch"]
    rows = []
    for machines in MACHINES:
        cells = []
        for network in NETWORKS:
            total = speed(machine, over(network, link), size, images, machines)
            share = total / machines / speed(machine, link, size, images, 1)
            cells.append(f"{total:,.0f} ({share:.0%})")
        rows.append((f"{machines:,}", f"{machines * images:,}", *cells))
    return markdown(("machines", "images of a step", *(f"{network} Gbit/s" for network in NETWORKS)), rows)


def fixed_table(result: dict) -> str:
    """Return speed and efficiency on many machines that share out the same step."""
    _, machine, link, size = constants(result)
    rows = []
    for machines in MACHINES:
        cells = []
        for network in NETWORKS:
            total = speed(machine, over(network, link), size, TOGETHER / machines, machines)
            cells.append(f"{total:,.0f} ({total / speed(machine, link, size, TOGETHER, 1) / machines:.0%})")
        rows.append((f"{machines:,}", f"{TOGETHER / machines:g}", *cells))
    return markdown(("machines", "images for each", *(f"{network} Gbit/s" for network in NETWORKS)), rows)


def limits_table(result: dict) -> str:
    """Return up to how many machines each still does half of its work, by the images that each has in a step."""
    _, machine, link, size = constants(result)
    rows = []
    for images in PER_MACHINE:
        ends = [most_machines(machine, over(network, link), size, images, 0.5) for network in NETWORKS]
        rows.append((f"{images}", *("no end" if end is None else f"{_rounded(end):,}" for end in ends)))
    return markdown(("images for each", *(f"{network} Gbit/s" for network in NETWORKS)), rows)


def _rounded(number: int) -> int:
    """Return a number with two digits: the model has no more."""
    return round(number, 1 - math.floor(math.log10(number))) if number > 99 else number


def markdown(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    return "\n".join(f"| {' | '.join(line)} |" for line in [titles, ["---"] * len(titles), *rows])
