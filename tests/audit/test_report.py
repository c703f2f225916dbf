"""The audit as a whole: what it holds, what it stores, what it says."""

from __future__ import annotations

import json

import numpy as np
import pytest

from convstage.audit import audit, show
from convstage.audit.findings import Finding
from convstage.data import Geometry, load_dataset, open_source
from support.files import Files, smooth


def leaking() -> Files:
    pictures = smooth(60)
    return Files([*pictures, pictures[4], b""], parts=[*["train"] * 60, "test", None])


def test_findings_come_with_errors_first() -> None:
    result = audit(leaking())
    severities = [finding.severity for finding in result.findings]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)
    assert [finding.check for finding in result.errors] == ["exact"]


def test_as_data_it_holds_everything_but_the_probabilities() -> None:
    result = audit(leaking(), data="somewhere")
    stored = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert (stored["data"], stored["images"], stored["classes"]) == ("somewhere", 62, ["a", "b"])
    exact = next(finding for finding in stored["findings"] if finding["check"] == "exact")
    assert exact["files"] == [{"file": "60.png (test)", "remark": "the same as 4.png (train)"}]
    assert set(exact) == {"check", "severity", "message", "files"}
    assert stored["probe"]["cues"]["border"]["auroc"].keys() == {"value", "low", "high"}


def test_the_shortcut_is_what_the_strongest_cue_says_of_every_readable_image() -> None:
    result = audit(leaking())
    table = result.shortcut()
    assert table is not None
    header, lines = table
    assert header == ["image", "p(a)", "p(b)"]
    assert [line[0] for line in lines] == [f"{index}.png" for index in range(61)]
    assert result.probe.strongest is not None
    found = np.array([[float(cell) for cell in line[1:]] for line in lines])
    assert found == pytest.approx(result.probe.strongest.probabilities, abs=1e-6)


def test_without_a_probe_there_is_no_shortcut() -> None:
    assert audit(Files(smooth(9))).shortcut() is None


def test_of_a_data_set_its_own_parts_groups_and_notes_are_looked_at(make_folder, tmp_path) -> None:
    folder = make_folder(tmp_path / "data", {"a": 12, "b": 12})
    (folder / "b/99.png").write_bytes((folder / "b/1.png").read_bytes())
    name, source = open_source(folder)
    dataset = load_dataset(name, source, Geometry(24, 24), val=0.2, test=0.2, seed=0)
    result = audit(source, dataset)
    assert result.data == str(folder)
    told = [finding.message for finding in result.findings if finding.check == "split"]
    assert told == dataset.notes
    assert told
    (exact,) = (finding for finding in result.findings if finding.check == "exact")
    part = dataset.parts[dataset.names.index("b/99.png")]
    assert exact.files[0][0] == f"b/99.png ({part})"
    assert exact.severity == "note", "they are in one part"


def test_before_a_training_it_takes_eight_lines_at_most() -> None:
    result = audit(leaking())
    lines = show.summary(result)
    assert lines[0].startswith("audit: 1 error, 2 warnings; strongest of 6 shortcuts: the ")
    assert lines[1].startswith("  error: 1 image the same as another, in another part")
    result.findings.extend(Finding("sizes", "warning", f"number {n}.") for n in range(20))
    lines = show.summary(result)
    assert len(lines) == 8
    assert lines[-1] == "  and 17 more"


def test_where_nothing_is_found_it_says_so() -> None:
    result = audit(Files(smooth(120)))
    assert show.summary(result)[0].startswith("audit: nothing found; strongest of 6 shortcuts: the ")
    assert show.sentence(audit(Files(smooth(9)))) == (
        "no shortcut probe: class b has 4 images; the probe needs 20 of each."
    )


def test_on_the_terminal_long_lists_of_files_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    show.show_audit(audit(Files([*smooth(20), *[b""] * 9])))
    shown = capsys.readouterr().out
    assert "warning 9 of 29 files cannot be read; they are left out.\n          20.png: the file is empty\n" in shown
    assert "          24.png: the file is empty\n          and 4 more\n" in shown


def test_on_the_terminal_names_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    source = Files(smooth(60), classes=("[bold]a", "[/]b"))
    show.show_audit(audit(source, data="[red]x"))
    shown = capsys.readouterr().out
    assert "[red]x, 2 classes" in shown
    assert "the border strip (8% of the side)" in shown
