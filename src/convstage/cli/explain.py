"""``convstage explain``: one image through every stage of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..errors import DataError
from .completion import FILE, FOLDER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..explain import Grade
    from ..walkthrough import Walk


@click.command()
@click.argument("run", type=FOLDER)
@click.argument("image", type=FILE)
@click.option("-o", "--out", metavar="FOLDER", type=FOLDER, help="Where page and pictures go. [RUN/explanations/IMAGE]")
@click.option("--target", metavar="CLASS", help="The class that the evidence is for. [the predicted one]")
@click.option("--method", "methods", multiple=True, metavar="NAME", help="Evidence by this method only; repeatable.")
@click.option(
    "--cell",
    "cells",
    multiple=True,
    metavar="LAYER:CELL",
    help="Print how this number came about, and write nothing unless --out is given; repeatable.",
)
@click.option(
    "--terms", type=click.IntRange(min=2), default=9, metavar="N", help="Cut longer sums of --cell in the middle. [9]"
)
@click.option("--grade", is_flag=True, help="Grade the evidence: how far each map can be trusted.")
@click.option("--json", "as_json", is_flag=True, help="The same as data, without the maps.")
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
def command(
    run: str,
    image: str,
    out: str | None,
    target: str | None,
    methods: tuple[str, ...],
    cells: tuple[str, ...],
    terms: int,
    grade: bool,
    as_json: bool,
    opens: bool,
) -> None:
    """Walk IMAGE through the network of RUN: every filter and map, the vector, the probabilities, the evidence.

    IMAGE is a file, or the name of one of the run's images as predictions.csv has it. The walk
    is written as one page, in which a click on any cell shows how its value came about, and as
    PNG files. With --cell the arithmetic of a number is printed instead.

    \b
    convstage explain runs/digits-1 seven.png
    convstage explain runs/digits-1 seven.png --cell stage1.pool:3,4,0 --cell softmax:7
    """
    from ..terminal import show_json
    from ..walkthrough import walk
    from ..walkthrough.kinds import parse_cell

    asked = [parse_cell(cell) for cell in cells]
    walked = walk(run, image, target=target, methods=methods or None)
    numbers = [walked.cell_dict(*cell) for cell in asked]
    if asked and out is None:
        if as_json:
            show_json({**walked.to_dict(), "cells": numbers})
        else:
            click.echo("\n\n".join(walked.explain(*cell, terms=terms) for cell in asked))
        return
    grades = _grades(walked) if grade else None
    try:
        files = walked.save(out, grades)
    except OSError as error:
        raise DataError(f"{error.filename or out} cannot be written: {error.strerror}.") from None
    if as_json:
        show_json({**_data(walked, grades), "cells": numbers, "files": [str(file) for file in files]})
    else:
        _show(walked, grades)
        for cell in asked:
            click.echo(f"{walked.explain(*cell, terms=terms)}\n")
        click.echo(f"page: {files[0]}")
        click.echo(f"pictures: {len(files) - 1} PNG files beside it")
    if opens:
        click.launch(str(files[0]))


def _grades(walked: Walk) -> list[Grade | None]:
    from ..explain import grades

    return grades(walked.evidence)


def _show(walked: Walk, grades: Sequence[Grade | None] | None) -> None:
    from ..explain.show import show_evidence

    prediction, truth = walked.prediction, walked.subject.truth
    ranked = sorted(prediction.probabilities.items(), key=lambda pair: -pair[1])
    others = ", ".join(f"{name} {probability:.1%}" for name, probability in ranked[1:4])
    click.echo(f"{walked.subject.name}: {prediction.label} {prediction.probability:.1%}  ({others})")
    if truth is not None:
        verdict = "as predicted" if truth == prediction.label else "the prediction is wrong"
        click.echo(f"its class is {truth}, {verdict}; it is in the run's {walked.subject.part} part")
    if walked.shifts > 1:
        click.echo(f"the run predicts from {walked.shifts} shifted views; the walk shows the image as it is")
    show_evidence(walked.evidence, grades)


def _data(walked: Walk, grades: Sequence[Grade | None] | None) -> dict[str, Any]:
    from ..explain import Evidence

    evidence = [
        one.to_dict() if isinstance(one, Evidence) else {"method": one.method, "refused": one.reason}
        for one in walked.evidence
    ]
    marks = {} if grades is None else {"grades": [grade and grade.to_dict() for grade in grades]}
    return {**walked.to_dict(), "evidence": evidence, **marks}
