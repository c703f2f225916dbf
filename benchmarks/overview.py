"""All results in one table, and the picture of how fast against other frameworks.

Nothing is measured here: the table in docs/benchmarks.md and the picture beside it are made
from results/*.json, which the other benchmarks have written.

    python benchmarks/overview.py
"""

import json
from pathlib import Path

from convstage.pictures import plot_style, save_figure
from tables import fastest

FOLDER = Path(__file__).parent
PICTURE = FOLDER.parent / "docs/figures/speed.svg"
#: Result -> the page that has its tables, and where on it.
PAGES = {
    "step": "kernel.md#how-fast",
    "roofline": "kernel.md#stage-by-stage",
    "shapes": "kernel.md#other-shapes",
    "tiles": "kernel.md#few-cells",
    "accuracy": "kernel.md#how-exact",
    "pages": "kernel.md#memory",
    "fuse": "fuse.md#how-fast",
    "ranks": "many-machines.md#what-it-costs",
    "scale": "scale.md",
    "serve": "serve.md#how-fast",
    "explorer": "explorer.md#how-fast",
    "shifts": "training.md#what-convolution-is-for-shifted-images",
    "recipe": "training.md#the-recipe-and-why",
    "intervals": "evaluation.md#the-intervals",
    "crossval": "crossval.md#on-real-radiographs",
    "audit": "audit.md#how-surely-it-finds-faults",
    "phantom": "phantom.md",
    "evidence": "evidence.md#measured-where-the-truth-is-known",
}
#: Sides of the picture, from the fastest others to torch as it comes.
SIDES = (
    "ONNX Runtime",
    "OpenVINO",
    "Keras tf.function",
    "JAX",
    "torch channels-last, tuned",
    "torch channels-last",
    "torch",
)
TASKS = {"train": ("training step", "#0072B2"), "infer": ("inference", "#E69F00")}


def results() -> dict[str, dict]:
    """Return every result by the name of its benchmark."""
    return {path.stem: json.loads(path.read_text()) for path in sorted((FOLDER / "results").glob("*.json"))}


def machine(result: dict) -> str:
    """Return the processor that a result was measured on."""
    found = result.get("machine") or result["environment"].get("processor", "")
    return found if isinstance(found, str) else found["processor"]


def torch_version(result: dict) -> str:
    """Return the version of torch that a result was measured with."""
    versions = result["versions"]["torch"] if "versions" in result else result["environment"]["versions"]
    return versions["torch"].partition("+")[0]


def table(found: dict[str, dict]) -> str:
    """Return a line for each benchmark: what it measures, where its figures are, and on what they were measured."""
    lines = ["| benchmark | what is measured | figures | processor | torch |", "|---|---|---|---|---|"]
    for name, page in PAGES.items():
        what = found[name]["what"].rstrip(".")
        what = what[0].upper() + what[1:]
        title = page.partition("#")[0].removesuffix(".md").replace("-", " ")
        where = f"{machine(found[name]) or '–'} | {torch_version(found[name])}"
        lines.append(f"| `benchmarks/{name}.py` | {what} | [{title}]({page}) | {where} |")
    return "\n".join(lines)


def summary(found: dict[str, dict]) -> str:
    """Return how many times as fast as the fastest of the others convstage is, network by network."""
    lines = ["| network | training step | against | inference | against |", "|---|---|---|---|---|"]
    for name, figures in found["step"]["networks"].items():
        cells = []
        for task in TASKS:
            best = fastest(figures, task)
            ratio = figures[f"{task} ratio"][best]
            cells += [f"× {ratio['median']:.2f} ({ratio['min']:.2f}–{ratio['max']:.2f})", best]
        lines.append(f"| {name}, batch {figures['batch']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(found: dict[str, dict], path: Path = PICTURE) -> Path:
    """Draw how many times as fast as some of the others convstage is."""
    from matplotlib.figure import Figure

    networks = found["step"]["networks"]
    with plot_style():
        figure = Figure(figsize=(9, 6), layout="constrained")
        for axes, (name, figures) in zip(figure.subplots(2, 2).flat, networks.items(), strict=True):
            for shift, (task, (label, colour)) in zip((-0.2, 0.2), TASKS.items(), strict=True):
                known = [(row, figures[f"{task} ratio"].get(side)) for row, side in enumerate(SIDES)]
                rows, ratios = zip(*((row, ratio) for row, ratio in known if ratio), strict=True)
                medians = [ratio["median"] for ratio in ratios]
                low_high = [[abs(ratio["median"] - ratio[end]) for ratio in ratios] for end in ("min", "max")]
                places = [row + shift for row in rows]
                axes.barh(places, medians, 0.38, xerr=low_high, color=colour, ecolor="#555555", label=label)
                for place, ratio in zip(places, ratios, strict=True):
                    axes.text(ratio["max"] * 1.06, place, f"{ratio['median']:.2f}", va="center", fontsize=7)
            axes.axvline(1, color="black", linewidth=0.8)
            axes.set(xscale="log", xlim=(0.8, 30), title=f"{name}, batch {figures['batch']}")
            axes.set_xticks([1, 2, 5, 10, 20], labels=["1", "2", "5", "10", "20"])
            axes.set_xticks([], minor=True)
            axes.set_yticks(range(len(SIDES)), labels=SIDES, fontsize=8)
            axes.invert_yaxis()
        figure.axes[0].legend(fontsize=8, loc="lower right")
        figure.supxlabel("how many times as fast convstage is: median of the rounds, least and largest", fontsize=9)
        return save_figure(figure, path, "How many times as fast as other frameworks convstage is")


def main() -> None:
    found = results()
    draw(found)
    print(f"{table(found)}\n\n{summary(found)}")


if __name__ == "__main__":
    main()
