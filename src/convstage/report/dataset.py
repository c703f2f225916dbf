"""What is known of the images: what may mislead in them, how they are divided, what could not be read."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..audit.cues import CUES
from ..audit.findings import SEVERITIES
from ..audit.probe import interval
from ..text import size
from .material import Material

PARTS = {"train": "training", "val": "validation", "test": "test"}
#: So many findings, files of a finding, and unreadable files are listed; the run folder has all.
FINDINGS, FILES, UNREADABLE = 20, 4, 20


def audit(material: Material) -> dict[str, Any] | str:
    """Return what the audit has found, and what each cue says of the classes."""
    audited = material.run.audit
    if audited is None:
        return "The data was not audited."
    findings = audited.get("findings", [])
    probe = audited.get("probe", {})
    cues = probe.get("cues", {})
    strongest = probe.get("strongest")
    counts = Counter(finding["severity"] for finding in findings)
    return {
        "counts": [(level, counts[level]) for level in SEVERITIES if counts[level]],
        "findings": [_finding(finding) for finding in findings[:FINDINGS]],
        "more": max(0, len(findings) - FINDINGS),
        "reason": probe.get("reason"),
        "cues": [_cue(name, result, strongest) for name, result in cues.items()],
        "clearest": len(material.classes) > 2,
        "measured": probe.get("measured"),
        "checks": list(audited.get("checks", {}).values()),
    }


def _finding(finding: dict[str, Any]) -> dict[str, Any]:
    files = finding.get("files", [])
    return {
        "severity": finding["severity"],
        "message": finding["message"],
        "files": files[:FILES],
        "more": max(0, len(files) - FILES),
    }


def _cue(name: str, result: dict[str, Any], strongest: str | None) -> dict[str, Any]:
    words = CUES[name].words if name in CUES else name
    if result["constant"]:
        return {"words": words, "auroc": "the same for all", "strip": None, "clearest": None, "strongest": False}
    clearest = max(result["per_class"], key=lambda label: result["per_class"][label]["low"])
    return {
        "words": words,
        "auroc": interval(result["auroc"]),
        "strip": result["auroc"],
        "clearest": (clearest, interval(result["per_class"][clearest])),
        "strongest": name == strongest,
    }


def images(material: Material) -> dict[str, Any] | str:
    """Return how many images of each class are in each part, how they are read, and which cannot be."""
    split = material.split
    counts = Counter((row["class"], row["part"]) for row in split)
    parts = [part for part in PARTS if any(row["part"] == part for row in split)]
    grouped = [row for row in split if "group" in row]
    geometry = material.config["model"]["geometry"]
    unreadable = material.run.unreadable
    return {
        "parts": [PARTS[part] for part in parts],
        "rows": [
            {
                "name": name,
                "counts": [counts[name, part] for part in parts],
                "total": sum(counts[name, p] for p in parts),
            }
            for name in material.classes
        ],
        "totals": [sum(row["part"] == part for row in split) for part in parts],
        "total": len(split),
        "groups": len({row["group"] for row in grouped}) if grouped else None,
        "grouped": len(grouped),
        "read": f"{size((geometry['height'], geometry['width']))} {geometry['channels']}",
        "resize": geometry["resize"],
        "unreadable": unreadable[:UNREADABLE],
        "unreadable_count": len(unreadable),
        "more": max(0, len(unreadable) - UNREADABLE),
    }
