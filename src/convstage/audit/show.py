"""The audit on the terminal: in full, and in a few lines before a training."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from ..terminal import output
from .findings import Finding, Severity
from .probe import CueResult, interval
from .report import Audit

#: Files that are listed per finding; audit.json has all.
LISTED = 5
#: Findings that are told before a training.
TOLD = 6
COLOURS: dict[Severity, str] = {"error": "bold red", "warning": "yellow", "note": "dim"}


def show_audit(audit: Audit) -> None:
    """Print all findings with some of the files, and a table of what each cue says of the classes."""
    console = output()
    console.print(Text(f"{len(audit.names):,} images of {audit.data}, {len(audit.classes)} classes"), soft_wrap=True)
    for finding in audit.findings:
        console.print(Text.assemble(_severity(finding), f" {finding.message}"), soft_wrap=True)
        for name, remark in finding.files[:LISTED]:
            console.print(Text(f"          {name}: {remark}"), soft_wrap=True)
        if len(finding.files) > LISTED:
            console.print(f"          and {len(finding.files) - LISTED:,} more", soft_wrap=True)
    if not audit.findings:
        console.print("nothing found that may mislead")
    console.print(Text(f"\n{sentence(audit)}"), soft_wrap=True)
    if audit.probe.results:
        console.print(_cues(audit))


def summary(audit: Audit) -> list[str]:
    """Return what a training says of the audit, in a few lines."""
    counts = {level: sum(finding.severity == level for finding in audit.findings) for level in COLOURS}
    found = ", ".join(f"{n} {level}{'s' if n > 1 else ''}" for level, n in counts.items() if n) or "nothing found"
    # The strongest shortcut is told anyway; the weaker ones are left to the file.
    told = [f for f in audit.findings if f.severity == "error" or (f.severity == "warning" and f.check != "shortcut")]
    lines = [f"audit: {found}; {sentence(audit)}"]
    lines += [f"  {finding.severity}: {finding.message}" for finding in told[:TOLD]]
    if len(told) > TOLD:
        lines.append(f"  and {len(told) - TOLD} more")
    return lines


def sentence(audit: Audit) -> str:
    """Return what the shortcut probe says, in words."""
    probe, strongest = audit.probe, audit.probe.strongest
    if probe.reason:
        return f"no shortcut probe: {probe.reason}."
    if strongest is None:
        return "shortcut probe: no cue varies, none can give the classes away."
    name = strongest.clearest
    most = "" if len(audit.classes) == 2 else f"; {name} against the rest {interval(strongest.per_class[name])}"
    return (
        f"strongest of {len(probe.results)} shortcuts: {strongest.cue.words}, AUROC {interval(strongest.auroc)}{most}."
    )


def _cues(audit: Audit) -> Table:
    """Return the AUROC of every cue, and of more than two classes the one that it tells most surely."""
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        caption="AUROC out of fold, one class against the rest, with 95% intervals; 0.5 is chance. The strongest of "
        f"{len(audit.probe.results)} cues was picked after the fact. Measured on {audit.probe.measured:,} images.",
        caption_justify="left",
    )
    table.add_column("cue alone", overflow="fold")
    table.add_column("AUROC", justify="right", no_wrap=True)
    if len(audit.classes) > 2:
        table.add_column("clearest class", overflow="fold")
        table.add_column("its AUROC", justify="right", no_wrap=True)
    for result in audit.probe.results:
        table.add_row(Text(result.cue.words), *_figures(result)[: len(table.columns) - 1])
    return table


def _figures(result: CueResult) -> tuple[str | Text, ...]:
    if result.constant:
        return "the same for all", "", ""
    name = result.clearest
    return interval(result.auroc), Text(name), interval(result.per_class[name])


def _severity(finding: Finding) -> Text:
    return Text(f"{finding.severity:>7}", style=COLOURS[finding.severity])
