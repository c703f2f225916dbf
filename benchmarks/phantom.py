"""What the default network is worth on synthetic radiographs, and what the audit finds of each planted artefact.

Writes results/phantom.json and prints the tables for docs/phantom.md.

    python benchmarks/phantom.py [--images 2000] [--size 128] [--epochs 15]
"""

import argparse
import os
import tempfile
from pathlib import Path

import convstage
from convstage.audit import audit
from convstage.data import open_source
from convstage.environment import environment
from convstage.files import write_json
from convstage.machine import processor
from convstage.phantom import SHORTCUTS, write

RESULT = Path(__file__).parent / "results/phantom.json"
#: What networks are trained on, and how many images of other patients they are tested on.
TRAINED = (None, "border")
OTHERS = 1000


def network(folder: str, shortcut: str | None, epochs: int) -> dict:
    """Train on synthetic radiographs; return the AUROC on the test part, and on others without an artefact."""
    run = convstage.train(f"{folder}/{shortcut or 'clean'}", epochs=epochs, out=f"{folder}/runs")
    own, others = run.metrics, convstage.evaluate(run, f"{folder}/others")
    return {
        "planted": shortcut,
        "pattern": run.config["model"]["pattern"],
        "epochs": epochs,
        "images": own["images"],
        "auroc": own["auroc"],
        "conclusion": own["verdict"]["conclusion"],
        "others": {"images": others["images"], "auroc": others["auroc"]},
    }


def found(folder: str, shortcut: str | None) -> dict:
    """Return what the shortcut probe says of a folder."""
    name, source = open_source(folder)
    probe = audit(source, data=name).probe
    strongest = probe.strongest
    return {
        "planted": shortcut,
        "strongest": strongest and strongest.cue.name,
        "words": strongest and strongest.cue.words,
        "auroc": strongest and strongest.auroc,
    }


def interval(figure: dict) -> str:
    """Return a figure and its interval, as text."""
    return f"{figure['value']:.3f} ({figure['low']:.3f}–{figure['high']:.3f})"


def table(result: dict) -> str:
    """Return what the audit finds as a Markdown table."""
    rows = [
        f"| {row['planted'] or 'nothing'} | {row['words']} | {interval(row['auroc'])} |" for row in result["audits"]
    ]
    return "\n".join(["| planted | strongest cue | its AUROC |", "|---|---|---|", *rows])


def networks_table(result: dict) -> str:
    """Return what the networks are worth as a Markdown table."""
    lines = ["| trained on | AUROC, its own test images | others, nothing planted | verdict |", "|---|---|---|---|"]
    for row in result["networks"]:
        planted = f"{row['planted']} planted" if row["planted"] else "nothing planted"
        figures = f"{interval(row['auroc'])} | {interval(row['others']['auroc'])}"
        lines.append(f"| {planted} | {figures} | {row['conclusion']} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=15)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write(f"{folder}/others", OTHERS, seed=1, size=arguments.size)
        audits = []
        for shortcut in (None, *SHORTCUTS):
            where = f"{folder}/{shortcut or 'clean'}"
            write(where, arguments.images, seed=0, size=arguments.size, shortcut=shortcut)
            audits.append(found(where, shortcut))
        result = {
            "what": str(__doc__).split("\n")[0],
            "machine": {"processor": processor(), "cores": os.cpu_count()},
            "environment": environment(),
            "images": arguments.images,
            "size": arguments.size,
            "networks": [network(folder, shortcut, arguments.epochs) for shortcut in TRAINED],
            "audits": audits,
        }
    write_json(RESULT, result)
    print(f"{table(result)}\n\n{networks_table(result)}")


if __name__ == "__main__":
    main()
