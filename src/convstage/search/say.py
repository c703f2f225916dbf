"""What a search has found, in words: no figure without what it is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..show import figure_words
from ..text import count
from .leaderboard import choices_words

#: Figures that rank trials, as people call them.
TITLES = {"balanced_accuracy": "balanced accuracy", "accuracy": "accuracy", "loss": "loss"}

Row = Mapping[str, Any]


def words(found: Mapping[str, Any]) -> list[str]:
    """Return in words who has won, how far to trust it, and whether the search was worth it."""
    rows: Sequence[Row] = found["trials"]
    return [*selection_lines(found, rows), *gain_line(found, rows), *front_line(rows)]


def value_words(row: Row, monitor: str) -> str:
    """Return a trial's validation figure with its interval; of a pruned trial without one.

    Examples
    --------
    >>> value_words({"value": 0.912, "figures": None}, "accuracy")
    '91.2%'
    """
    figure = (row["figures"] or {}).get(monitor)
    if figure is not None:
        return figure_words(monitor, figure)
    if row["value"] is None:
        return "–"
    return f"{row['value']:.4f}" if monitor == "loss" else f"{row['value']:.1%}"


def counts_line(found: Mapping[str, Any]) -> str:
    """Return how many trials there are, and what became of them.

    Examples
    --------
    >>> counts_line({"counts": {"trials": 30, "done": 18, "pruned": 12}})
    '30 trials: 18 done, 12 pruned'
    """
    counts = found["counts"]
    states = [f"{number} {state}" for state, number in counts.items() if state != "trials"]
    return (
        f"{counts['trials']} trial{'' if counts['trials'] == 1 else 's'}" + (": " if states else "") + ", ".join(states)
    )


def selection_lines(found: Mapping[str, Any], rows: Sequence[Row]) -> list[str]:
    """Return who has won, and that the figure that chose it flatters."""
    best = next((row for row in rows if row["rank"] == 1), None)
    if best is None:
        return ["No trial is done yet."]
    monitor = found["monitor"]
    tried = sum(row["value"] is not None for row in rows)
    chosen = choices_words(best)
    lines = [
        f"Trial {best['trial']} is the best of {tried} by its validation {TITLES[monitor]}, "
        f"{value_words(best, monitor)}: {best['pattern']}{'; ' if chosen else ''}{chosen}"
    ]
    if tried > 1:
        lines.append("The figure that chose it flatters: the best of many trials has had luck, too, with those images.")
    winner = found["winner"]
    if winner is not None and winner["accuracy"] is not None:
        lines.append(
            f"On {winner['images']:,} test images, which no trial has seen: accuracy "
            f"{figure_words('accuracy', winner['accuracy'])}, balanced accuracy "
            f"{figure_words('balanced_accuracy', winner['balanced_accuracy'])}. This is the figure to quote."
        )
        if found["looks"] > 1:
            lines.append(
                f"The test part has been shown {found['looks']} winners by now, as the search was made longer: the "
                "more often it is looked at, the less its figure is that of new images."
            )
    elif winner is not None:
        lines.append("There is no test part, so that no figure says what it is worth on new images.")
    elif found["elsewhere"] is not None:
        where = found["elsewhere"]
        lines.append(
            f"Its weights are on the machine {where['machine']}, in {where['run']}.\n"
            "Run the same command there: it evaluates the winner, and puts it beside its trials."
        )
    return lines


def gain_line(found: Mapping[str, Any], rows: Sequence[Row]) -> list[str]:
    """Return whether the winner is better than the default recipe."""
    plain = next((row for row in rows if row["default"] and row["rank"] is not None), None)
    if plain is None:
        return []
    if plain["rank"] == 1:
        return ["No trial was better than the default recipe."]
    monitor = found["monitor"]
    line = f"The default recipe (trial {plain['trial']}) has {value_words(plain, monitor)} on the validation part"
    told = found["difference"]
    if told is None:
        return [f"{line}."]
    points = [100 * told["accuracy"][part] for part in ("value", "low", "high")]
    found_words = {
        "clearly better": "the winner is clearly better",
        "clearly worse": "the winner is clearly worse",
        "not told apart": "the two are not told apart",
        "too few images to tell": "there are too few to tell the two apart",
    }[told["conclusion"]]
    return [
        f"{line}. On the same {told['images']:,} test images {found_words}: accuracy {points[0]:+.1f} points "
        f"({points[1]:+.1f} to {points[2]:+.1f})."
    ]


def front_line(rows: Sequence[Row]) -> list[str]:
    """Return the cheapest trial of the front, where it is another one than the best."""
    front = [row for row in rows if row["front"]]
    if len(front) < 2:
        return []
    cheap = min(front, key=lambda row: row["multiply_adds"])
    best = next(row for row in rows if row["rank"] == 1)
    saved = best["multiply_adds"] / max(1, cheap["multiply_adds"])
    return [
        f"{len(front)} trials, marked *, are as good as any for what they cost; the cheapest of them, "
        f"trial {cheap['trial']}, needs {count(cheap['multiply_adds'])} multiply-adds per image, "
        f"{saved:,.1f} times fewer than the winner."
    ]
