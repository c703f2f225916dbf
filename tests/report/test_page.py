"""The page as a reader gets it: whole, self-contained, and with every name as text."""

import re
from pathlib import Path

import pytest

import convstage
from convstage import pages
from convstage.report import SECTIONS, edited, gather, report_html, write_report
from convstage.report.mistakes import mistakes
from support.markup import parsed
from support.names import HOSTILE

#: What an SVG that matplotlib has drawn consists of, and a page of ours.
KNOWN = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "header",
        "nav",
        "aside",
        "section",
        "footer",
        "script",
    ),
    *("h1", "h2", "h3", "p", "div", "span", "a", "b", "bdi", "strong", "br", "code", "pre", "ul", "ol", "li"),
    *("table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "figure", "figcaption", "img"),
    *("details", "summary", "svg", "line", "defs", "g", "path", "clippath", "rect", "use", "text"),
}


@pytest.fixture(scope="module")
def page(hostile):
    return write_report(hostile).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tree(page):
    return parsed(page)


def test_names_are_text_and_nothing_else(hostile, page, tree):
    """Names that are scripts, attributes, templates, emoji and written from right to left change no element."""
    assert {element.name for element in tree.all()} <= KNOWN
    (script,) = tree.all("script")
    own = (Path(pages.__file__).parent / "report.js").read_text(encoding="utf-8")
    assert page.count("<script") == 1
    assert f"<script>{own}</script>" in page
    assert script.attributes == {}
    for element in tree.all():
        assert not [name for name in element.attributes if name.startswith("on")]
        assert "srcset" not in element.attributes
        if element.name != "svg":
            assert (element.attributes.get("src") or "data:image/").startswith("data:image/")
        assert re.match(r"#[\w-]+$", element.attributes.get("href") or element.attributes.get("xlink:href") or "#x")
    isolated = {bdi.text for bdi in tree.all("bdi")}
    plain = [" ".join(name.split()) for name in (*HOSTILE, hostile.path.name)]
    assert isolated >= set(plain)
    assert {row["image"] for row in hostile.predictions} <= {bdi.text for bdi in tree.all("bdi")}
    assert "<svg onload=alert(3)>.png" in isolated


def test_the_policy_allows_this_script_alone(page, tree):
    policies = [meta.attributes["content"] for meta in tree.all("meta") if "http-equiv" in meta.attributes]
    assert len(policies) == 1
    assert policies[0].startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    assert re.search(r"script-src 'sha256-[\w+/=]+'$", policies[0])
    assert not re.search(r"https?://(?!www\.w3\.org/(2000/svg|1999/xlink))", page)


def test_every_section_is_there_in_order_and_linked(tree):
    assert [section.attributes["id"] for section in tree.one("main").children if section.name == "section"] == list(
        SECTIONS
    )
    assert [link.attributes["href"] for link in tree.one("nav").all("a")] == [f"#{name}" for name in SECTIONS]
    for name, section in SECTIONS.items():
        shown = tree.one("section", id=name)
        assert shown.one("h2").text == section.title
        assert len(shown.text) > len(section.title) + 20


def test_every_link_leads_somewhere_and_no_place_is_there_twice(tree):
    ids = [element.attributes["id"] for element in tree.all() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    used = [value for element in tree.all() for value in element.attributes.values() if value]
    targets = {target for value in used for target in re.findall(r"(?:^#|url\(#)([\w-]+)", value)}
    colours = {target for target in targets if re.fullmatch(r"[0-9A-Fa-f]{6}", target)}
    assert targets - colours <= set(ids)
    assert {"cell-0-1", "overall"} & targets


def test_every_picture_and_plot_says_what_it_is(tree):
    assert all(image.attributes.get("alt") for image in tree.all("img"))
    drawn = tree.all("svg")
    for svg in drawn:
        outer = svg.parent.attributes
        assert svg.attributes.get("aria-hidden") == "true" or (outer.get("role") == "img" and outer.get("aria-label"))
    assert sum("aria-hidden" not in svg.attributes for svg in drawn) == 6


def test_the_matrix_opens_the_images_behind_its_numbers(hostile, tree):
    matrix, predictions = hostile.metrics["confusion"], hostile.predictions
    for truth, row in enumerate(matrix):
        for prediction, count in enumerate(row):
            links = tree.all("a", href=f"#cell-{truth}-{prediction}")
            cells = tree.all("section", id=f"cell-{truth}-{prediction}")
            if not count:
                assert not links
                assert not cells
                continue
            assert links[0].text == str(count)
            (cell,) = cells
            expected = [
                line["image"]
                for line in sorted(
                    predictions, key=lambda line: float(line["probability"]), reverse=truth != prediction
                )
                if (line["truth"], line["prediction"]) == (HOSTILE[truth], HOSTILE[prediction])
            ]
            assert len(expected) == count
            assert [figure.one("bdi").text for figure in cell.all("figcaption")] == expected
            assert len(cell.all("img")) == count


def test_mistakes_have_evidence(hostile, tree):
    section = tree.one("section", id="mistakes")
    shown, wrong = section.one("ol").all("li"), hostile.metrics["mistakes"]
    assert len(shown) == min(12, len(wrong)) > 0
    for item, row in zip(shown, wrong, strict=False):
        assert [bdi.text for bdi in item.all("bdi")] == [
            " ".join(text.split()) for text in (row["prediction"], row["truth"], row["image"])
        ]
        picture, evidence = item.all("img")
        assert picture.attributes["src"] != evidence.attributes["src"]
        assert evidence.attributes["alt"] == f"Trace-back: what speaks for {row['prediction']}"
    assert "Trace-back: the score as an exact sum" in section.text


def test_the_same_run_gives_the_same_page(hostile, page):
    assert write_report(hostile).read_text(encoding="utf-8") == page


def test_the_verdict_comes_first(run):
    tree = parsed(write_report(run.path).read_text(encoding="utf-8"))
    header = tree.one("header")
    assert header.one("h1").text == "run"
    assert header.one("p", class_="sentence").text.startswith(
        "Of 6 test images of blobs, the network names the right class of 100.0% (95% interval "
    )
    verdict = run.metrics["verdict"]
    assert verdict["words"] in header.text
    assert f"{verdict['network']['value']:.3f}" in header.one("aside").text


def test_the_shortcut_stands_beside_the_network(hostile, tree):
    verdict = hostile.metrics["verdict"]
    beside = tree.one("aside").text
    for figure in (verdict["network"], verdict["shortcut"]):
        assert f"{figure['value']:.3f} ({figure['low']:.3f}–{figure['high']:.3f})" in beside
    assert f"{verdict['cue']} alone" in beside
    assert f"{verdict['difference']['value']:+.3f} (" in beside


def test_another_place_for_the_page(run, tmp_path):
    written = write_report(run, out=tmp_path / "to mail.html")
    assert written == tmp_path / "to mail.html"
    assert run.report is None
    assert run.card is None
    assert write_report(run) == run.report
    assert written.read_text() == run.report.read_text()
    assert not edited(run)


def test_where_the_budget_ends_images_have_names_only(run, monkeypatch):
    monkeypatch.setattr("convstage.report.confusion.BUDGET", 1000)
    tree = parsed(write_report(run).read_text(encoding="utf-8"))
    album = tree.one("section", id="confusion").all("figure")
    assert len(album) == 6
    assert 0 < sum(len(figure.all("img")) for figure in album) < 6


def test_many_classes_stay_legible(tmp_path, make_folder):
    """Of thirty, the names of columns stand upright, and few lines of the curves are told apart."""
    folder = make_folder(tmp_path / "many", {f"class {number:02}": 4 for number in range(30)}, size=12)
    run = convstage.train(
        folder, pattern="INPUT -> CONV(2) -> RELU -> POOL -> CLASSIFIER", epochs=1, audit=False, out=tmp_path
    )
    tree = parsed(run.report.read_text(encoding="utf-8"))
    matrix = tree.one("table", id="matrix")
    assert "upright" in matrix.attributes["class"]
    assert len(matrix.all("td")) == 900
    links = matrix.all("a")
    assert sum(int(link.text) for link in links) == run.metrics["images"]
    ranking = tree.one("section", id="ranking")
    assert len(ranking.all("tr")) == 31
    assert "the other 23 are grey" in ranking.text
    assert run.report.stat().st_size < 2_000_000


def test_of_very_many_classes_the_commonest_mistakes_are_listed(hostile, monkeypatch):
    monkeypatch.setattr("convstage.report.confusion.MAX_CLASSES", 3)
    monkeypatch.setattr("convstage.report.confusion.LISTED", 2)
    section = parsed(report_html(gather(hostile))).one("section", id="confusion")
    matrix = hostile.metrics["confusion"]
    counts = sorted((n for i, row in enumerate(matrix) for j, n in enumerate(row) if i != j), reverse=True)
    rows = section.one("table", id="matrix").one("tbody").all("tr")
    assert [int(row.one("a").text) for row in rows] == counts[:2]
    for row in rows:
        truth, prediction = (bdi.text for bdi in row.all("bdi"))
        cell = section.one("section", id=row.one("a").attributes["href"].removeprefix("#"))
        assert [bdi.text for bdi in cell.one("h3").all("bdi")] == [truth, prediction]
        assert len(cell.all("img")) == int(row.one("a").text)
    assert "There are 4 classes; these are the commonest mistakes." in section.text


def test_where_a_mistake_has_no_cell_there_is_no_link(hostile, monkeypatch):
    monkeypatch.setattr("convstage.report.mistakes.MAX_CLASSES", 3)
    assert [row["place"] for row in mistakes(gather(hostile))["rows"]] == [None] * 12
