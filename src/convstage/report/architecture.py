"""The network: how it learned, its picture, and the account of its layers."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ..pattern.draw import draw
from ..pattern.show import COLUMNS
from ..pictures import inline
from ..text import count, memory
from .material import Material
from .plots import lines

#: Columns of the plan's table that the report has; the others are for people who build networks.
MOST_RANK = 2


def curves(material: Material) -> dict[str, Any] | str:
    """Return the learning curves: loss, and shares of images that were right, by epoch."""
    history, best = material.history, material.model.get("epoch")
    if not history:
        return "There are none: no epoch was recorded."
    epochs = [row["epoch"] for row in history]

    def values(name: str) -> list[float]:
        return [row[name] for row in history]

    kept = next((row for row in history if row["epoch"] == best), history[-1])
    return {
        "loss": lines(
            "loss",
            [("training", epochs, values("train_loss")), ("validation", epochs, values("val_loss"))],
            x="epoch", y="loss", mark=best,
        ),
        "accuracy": lines(
            "accuracy",
            [
                ("training accuracy", epochs, values("train_accuracy")),
                ("validation balanced accuracy", epochs, values("val_balanced_accuracy")),
            ],
            x="epoch", y="share", mark=best, top=1.02,
        ),
        "best": best,
        "epochs": len(history),
        "planned": material.config["settings"].get("epochs"),
        "balanced": f"{kept['val_balanced_accuracy']:.1%}",
        "monitor": str(material.config["settings"].get("monitor", "")).replace("_", " "),
    }  # fmt: skip


def network(material: Material) -> dict[str, Any] | str:
    """Return the picture of the architecture and the plan as a table."""
    plan = material.plan
    with tempfile.TemporaryDirectory() as folder:
        drawn = draw(plan, Path(folder) / "network.svg").read_text(encoding="utf-8")
    columns = [column for column in COLUMNS if column.rank <= MOST_RANK]
    return {
        "picture": inline("network", drawn),
        "pattern": plan.pattern,
        "titles": [column.title for column in columns],
        "rows": [[column.cell(row) for column in columns] for row in plan.rows],
        "parameters": count(plan.parameters),
        "multiply_adds": count(plan.multiply_adds),
        "memory": memory(plan.activation_bytes),
        "layers": len(plan.rows),
    }
