"""Results of step.py as Markdown tables."""

from collections.abc import Iterable

from frameworks import OURS, SIDES

LABELS = {"train": "training step", "infer": "inference", "latency": "one image"}
#: What a user of PyTorch has who follows its advice for processors.
PLAIN = "torch channels-last"


def fastest(figures: dict, task: str) -> str:
    """Return the side that comes closest to convstage, or is furthest ahead of it.

    Taken from the ratios, which compare within a round, and not from the speeds.
    """
    ratios = figures[f"{task} ratio"]
    return min(ratios, key=lambda name: ratios[name]["median"])


def speed_table(result: dict) -> str:
    """Return images per second of convstage, of the fastest of the others and of plain PyTorch, with ratios."""
    rows = []
    for name, figures in result["networks"].items():
        for task in ("train", "infer"):
            speeds, ratios, best = figures[task], figures[f"{task} ratio"], fastest(figures, task)
            plain = f"{_ratio(ratios[PLAIN])}" if PLAIN in ratios else "–"
            cells = (
                f"{speeds[OURS]['median']:,.0f}",
                best,
                f"{speeds[best]['median']:,.0f}",
                _ratio(ratios[best]),
                plain,
            )
            rows.append((f"{name}, {figures['batch']}", LABELS[task], *cells))
    titles = (
        "network, batch",
        "",
        "convstage",
        "fastest other",
        "its speed",
        "convstage / fastest",
        f"convstage / {PLAIN}",
    )
    return _markdown(titles, rows)


def sides_table(result: dict) -> str:
    """Return how many times as fast as each side convstage is: medians of the rounds' ratios."""
    networks = result["networks"]
    columns = [(name, task) for name in networks for task in ("train", "infer")]
    rows = []
    for side in _measured(result):
        ratios = (networks[name][f"{task} ratio"].get(side) for name, task in columns)
        rows.append((side, *("–" if ratio is None else f"{ratio['median']:.2f}" for ratio in ratios)))
    return _markdown(("convstage / …", *(f"{name} {LABELS[task]}" for name, task in columns)), rows)


def latency_table(result: dict) -> str:
    """Return milliseconds for one image, and how many times as fast convstage is."""
    rows = []
    for side in (OURS, *_measured(result)):
        cells = []
        for figures in result["networks"].values():
            time, ratio = figures["latency"].get(side), figures["latency ratio"].get(side)
            cells.append("–" if time is None else f"{time['median']:.3g}" + (f" ({_ratio(ratio)})" if ratio else ""))
        if set(cells) != {"–"}:
            rows.append((side, *cells))
    return _markdown(("one image, ms (times convstage's)", *result["networks"]), rows)


def memory_table(result: dict) -> str:
    """Return the most memory of a process that trains, in MB."""
    rows = []
    for side in (OURS, *_measured(result)):
        peaks = [figures["peak_mb"].get(side) for figures in result["networks"].values()]
        if any(peaks):
            rows.append((side, *("–" if peak is None else f"{peak:,}" for peak in peaks)))
    return _markdown(("peak memory, MB", *result["networks"]), rows)


def _measured(result: dict) -> list[str]:
    found = {name for figures in result["networks"].values() for name in figures["agreement"]}
    return [name for name in SIDES if name in found and name != OURS]


def _ratio(summary: dict) -> str:
    return f"{summary['median']:.2f} ({summary['min']:.2f}–{summary['max']:.2f})"


def _markdown(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = list(titles)
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
