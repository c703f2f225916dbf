"""The model card (Mitchell et al. 2019), filled from the run; what only people know is left to them, and marked.

A card that somebody has edited is never written over: its last line has the digest of what was written.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence

from ..show import OVERALL, PER_CLASS, calibration_words, figure_words
from ..text import count, size
from .dataset import audit, images
from .material import Material
from .overview import data_name, images_words, isolated, sentence, verdict, warnings

#: Mitchell et al.'s headings, in their order.
HEADINGS = (
    "Model details",
    "Intended use",
    "Factors",
    "Metrics",
    "Evaluation data",
    "Training data",
    "Quantitative analyses",
    "Ethical considerations",
    "Caveats and recommendations",
)
TO_SAY = "To be said by whoever publishes it"
#: Confusion matrices of more classes are left to the report.
MAX_CLASSES = 12
#: What CommonMark and GitHub's extensions take for markup within a line; a backslash before it makes it text.
MARKUP = re.compile(r"[\\`*_{}\[\]<>#|~&!$]|:(?=//)|(?<=www)\.")
SEAL = re.compile(r"<!-- Written by convstage\. A card that was edited is kept\. (?P<digest>[0-9a-f]{64}) -->\n\Z")


def card(material: Material) -> str:
    """Return the model card as Markdown, with its seal."""
    makers = (_details, _use, _factors, _metrics, _evaluation, _training, _analyses, _ethics, _caveats)
    parts = [f"# Model card: {escaped(material.run.path.resolve().name)}"]
    for heading, make in zip(HEADINGS, makers, strict=True):
        parts += [f"## {heading}", *make(material)]
    return sealed("\n\n".join(parts) + "\n\n")


def sealed(text: str) -> str:
    """Return a card with a last line that has its digest."""
    digest = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
    return f"{text}<!-- Written by convstage. A card that was edited is kept. {digest} -->\n"


def untouched(text: str) -> bool:
    """Return whether a card is as it was written.

    Examples
    --------
    >>> untouched(sealed("# Model card")), untouched(sealed("# Model card").replace("card", "ship", 1))
    (True, False)
    """
    found = SEAL.search(text)
    return found is not None and sealed(text[: found.start()]) == text


def escaped(text: object) -> str:
    r"""Return a text with names from the data as Markdown: none of it is markup, nor turns its neighbours.

    It must not stand at the beginning of a line, where more is markup.

    Examples
    --------
    >>> print(escaped("<b>*2 | 3* (www.x.org)"))
    \<b\>\*2 \| 3\* (www\.x.org)
    """
    plain = "".join(" " if unicodedata.category(letter) in ("Cc", "Zl", "Zp") else letter for letter in str(text))
    return isolated(MARKUP.sub(r"\\\g<0>", plain))


def _to_say(what: str) -> str:
    return f"*{TO_SAY}: {what}*"


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *rows)]
    return "\n".join(lines)


def _details(material: Material) -> list[str]:
    plan, environment = material.plan, material.config["environment"]
    history = material.history
    kept = f"; the weights of epoch {material.model['epoch']} were kept" if "epoch" in material.model else ""
    return [
        _list(
            [
                f"A convolutional network: `{plan.pattern}`.",
                f"{count(plan.parameters)} parameters, {count(plan.multiply_adds)} multiply-adds per image.",
                f"Input: an image of {size(plan.image)} (height, width, channels), values 0 to 255.",
                f"Output: a probability for each of {len(material.classes)} classes: "
                f"{', '.join(map(escaped, material.classes))}.",
                f"Trained from random weights for {len(history)} epochs{kept}.",
                f"Made with convstage {environment['versions']['convstage']} and torch "
                f"{environment['versions']['torch']}; seed {material.config['settings']['seed']}.",
            ]
        ),
        _to_say("who made the model, when, its version, its licence, and whom to ask."),
    ]


def _use(material: Material) -> list[str]:
    names = ", ".join(map(escaped, material.classes))
    return [
        f"The network tells {names} apart in images like those that it was trained on. It names one of these classes "
        "for any image, also for one that shows none of them.",
        _to_say("what it is meant for, for whom, and what it must not be used for."),
    ]


def _factors(material: Material) -> list[str]:
    told = ["The figures below are given for each class. By no other factor have they been measured apart."]
    probe = audit(material)
    if isinstance(probe, dict):
        told += [
            f"Of what does not show them, the classes are told apart best by {cue['words']}: AUROC {cue['auroc']}; "
            "0.5 is chance."
            for cue in probe["cues"]
            if cue["strongest"]
        ]
    return [*told, _to_say("which people, devices, places or conditions may matter, and whether the data has them.")]


def _metrics(material: Material) -> list[str]:
    evaluated = material.evaluated
    if evaluated is None:
        return ["The network has not been evaluated."]
    metrics = evaluated.metrics
    told = [
        "Figures of all images, and of each class against all others. An image counts as of the class that is most "
        "probable.",
        f"Uncertainty: {metrics['intervals']}.",
    ]
    if metrics.get("calibration"):
        told.append(calibration_words(metrics["calibration"]))
    return [*told, _to_say("which of the figures matters for the use, and how good it must be.")]


def _evaluation(material: Material) -> list[str]:
    evaluated = material.evaluated
    if evaluated is None:
        return ["None."]
    counts = ((escaped(name), f"{row['images']:,}") for name, row in evaluated.metrics["per_class"].items())
    return [
        f"{escaped(images_words(evaluated.metrics))}.",
        _table(("class", "images"), counts),
        _to_say("where these images come from, and why they stand for those of the intended use."),
    ]


def _training(material: Material) -> list[str]:
    told = images(material)
    assert isinstance(told, dict)
    settings = material.config["settings"]
    rows = [[escaped(row["name"]), *(f"{n:,}" for n in row["counts"])] for row in told["rows"]]
    lines = [
        f"Read as {told['read']}; other proportions: {told['resize']}. The training images were "
        f"{'varied a little in every epoch' if settings['augment'] else 'used as they are'}."
    ]
    if told["groups"]:
        lines.append(f"Images of one group, {told['groups']:,} groups in all, are in one part.")
    if told["unreadable_count"]:
        lines.append(f"Files that could not be read and were left out: {told['unreadable_count']:,}.")
    return [
        f"{told['total']:,} images of {escaped(data_name(material.config['data']))}:",
        _table(("class", *told["parts"]), rows),
        " ".join(lines),
        _to_say("where these images come from, how they were labelled and by whom, and whether they may be used."),
    ]


def _analyses(material: Material) -> list[str]:
    evaluated = material.evaluated
    if evaluated is None:
        return ["None: the network has not been evaluated."]
    metrics = evaluated.metrics
    told = [
        escaped(sentence(evaluated)),
        _table(
            ("figure", "all images"), [(title, figure_words(name, metrics[name])) for name, title in OVERALL.items()]
        ),
        _table(
            ("class", *PER_CLASS.values()),
            [
                (escaped(name), *(figure_words(figure, row[figure]) for figure in PER_CLASS))
                for name, row in metrics["per_class"].items()
            ],
        ),
    ]
    if len(material.classes) <= MAX_CLASSES:
        names = list(map(escaped, material.classes))
        rows = [(name, *map(str, row)) for name, row in zip(names, metrics["confusion"], strict=True)]
        told.append(_table(("truth ↓ prediction →", *names), rows))
    return [*told, _to_say("figures of groups of people or devices together, where they matter.")]


def _ethics(material: Material) -> list[str]:  # noqa: ARG001  # all makers are called alike
    return [
        "Whom a mistake harms, and whether those shown have agreed, cannot be read from the images.",
        _to_say("what data of people was used, which decisions the model may touch, and how harm is kept small."),
    ]


def _caveats(material: Material) -> list[str]:
    found = [escaped(warning) for warning in warnings(material)]
    if told := verdict(material):
        found.append(escaped(told["words"]))
    checked = audit(material)
    if isinstance(checked, str):
        found.append(checked)
    else:
        kinds = [finding for finding in checked["findings"] if finding["severity"] != "note"]
        found += [
            f"{finding['severity'].capitalize()} of the audit: {escaped(finding['message'])}" for finding in kinds
        ]
    found.append(
        "Precision depends on how common a class is. Where it is rarer than among these images, precision is lower."
    )
    return [_list(found), _to_say("what else should be known before it is used, and what should be tested next.")]


__all__ = ["HEADINGS", "TO_SAY", "card", "escaped", "sealed", "untouched"]
