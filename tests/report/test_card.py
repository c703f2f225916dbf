"""The model card: its headings, what is in it, that names are text in it, and that nobody's edits are lost."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from convstage.report import edited, gather, write_report
from convstage.report.card import HEADINGS, TO_SAY, card, escaped, sealed, untouched
from support.markup import Element, parsed
from support.names import HOSTILE

#: What isolates a name, what Markdown has in place of a null character, and what becomes a space.
UNSEEN, SPACE = "\u2068\u2069\ufffd", ("Cc", "Zl", "Zp")


def rendered(text: str) -> Element:
    return parsed(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text))


@pytest.fixture(scope="module")
def text(hostile) -> str:
    return card(gather(hostile))


def test_it_has_mitchells_headings_in_order(text):
    assert [heading.text for heading in rendered(text).all("h2")] == list(HEADINGS)
    for part in text.split("\n## ")[1:]:
        assert TO_SAY in part


def test_names_are_text_in_it(text, hostile):
    html = rendered(text)
    assert {element.name for element in html.all()} == {
        *("h1", "h2", "p", "em", "ul", "li", "code", "table", "thead", "tbody", "tr", "th", "td")
    }
    cells = {cell.text.strip("\u2068\u2069") for cell in html.all("td")}
    assert {" ".join(name.split()) for name in HOSTILE} <= cells
    assert html.one("h1").text.startswith("Model card: run <u>&'\"")


def test_it_tells_what_the_run_folder_has(text, hostile):
    metrics, verdict = hostile.metrics, hostile.metrics["verdict"]
    figure = metrics["balanced_accuracy"]
    assert f"{100 * figure['value']:.1f}% ({100 * figure['low']:.1f}–{100 * figure['high']:.1f})" in text
    assert escaped(verdict["words"]) in text
    assert metrics["intervals"] in text
    assert "100 images of labels.csv" in text
    assert "Files that could not be read and were left out: 1." in text
    matrix = [[cell.text for cell in row.all("td")][1:] for row in rendered(text).all("table")[-1].all("tr")[1:]]
    assert matrix == [[str(n) for n in row] for row in metrics["confusion"]]


def test_what_the_audit_warns_of_is_a_caveat(text, hostile):
    caveats = text.split(f"## {HEADINGS[-1]}")[1]
    for finding in hostile.audit["findings"]:
        told = f"{finding['severity'].capitalize()} of the audit: {escaped(finding['message'])}"
        assert (told in caveats) == (finding["severity"] != "note")


def test_a_card_that_was_edited_is_kept(run, monkeypatch):
    monkeypatch.setattr("convstage.report.report_html", lambda _: "")  # the page has tests of its own
    write_report(run)
    first = run.card
    assert untouched(first)
    run.write_model(*run.read_model())
    (run.path / "audit.json").unlink(missing_ok=True)
    write_report(run)
    assert "The data was not audited." in run.card
    mine = run.card.replace(f"{TO_SAY}: who made", "I, Röntgen, made")
    run.write_card(mine)
    assert edited(run)
    write_report(run)
    assert run.card == mine
    (run.path / "CARD.md").unlink()
    assert not edited(run)
    write_report(run)
    assert untouched(run.card)


def test_a_card_without_a_seal_is_somebodys():
    assert not untouched("# My card\n")
    assert not untouched(sealed("# Card\n\n") + "More.\n")


@given(st.text())
def test_no_text_is_markup(text):
    """Between words, whatever a name consists of, a reader sees its letters and nothing more."""
    html = rendered(f"of {escaped(text)} there")
    (paragraph,) = html.children[:1]
    assert {element.name for element in html.all()} == {"p"}
    seen = "".join(letter for letter in "".join(paragraph.pieces) if letter not in UNSEEN)
    plain = "".join(" " if unicodedata.category(letter) in SPACE else letter for letter in text if letter not in UNSEEN)
    assert seen.split() == f"of {plain} there".split()
