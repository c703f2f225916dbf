"""The documentation as a site: it is built once, strictly, and what was built is looked at."""

import html
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

import convstage
from convstage.cli import COMMANDS, cli
from support.browser import CHROMIUM

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
#: What a browser fetches by itself; links that a reader may follow are none of them.
FETCHED = re.compile(r"<(?:script|link|img|iframe|source|video|embed)\b[^>]*\b(?:src|href|srcset)=\"?([^\" >]+)")

pytestmark = pytest.mark.xdist_group("site")  # it is built once, not in every process


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return the folder of the site, built without a warning."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert not built.returncode, built.stdout + built.stderr
    assert not built.stdout + built.stderr
    return folder


@pytest.fixture
def script(monkeypatch):
    """Return a function that imports a module of scripts/ or benchmarks/."""
    for folder in ("scripts", "benchmarks"):
        monkeypatch.syspath_prepend(str(ROOT / folder))
    return importlib.import_module


@pytest.fixture(scope="module")
def pages(site):
    """Return the text of every page by its name; 404.html, which is served from any address, is left out."""
    found = {path.relative_to(site).as_posix(): path.read_text() for path in site.rglob("*.html")}
    del found["404.html"]
    return found


def article(page: str) -> str:
    return page[page.index("<article") : page.index("</article>")]


def words(page: str) -> str:
    """Return the text of a page outside of code, as a browser shows it."""
    without_code = re.sub(r"<(pre|code|svg)\b.*?</\1>", "", article(page), flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "\0", without_code))


def test_every_page_is_in_the_navigation(pages):
    listed = set(re.findall(r"[\w/-]+\.md", yaml.safe_dump(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])))
    there = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert len(there) > 35
    assert there < listed
    assert {page.replace(".md", ".html") for page in listed} == set(pages)


def test_the_front_page_is_the_readme(pages):
    front = pages["index.html"]
    assert "Convolutional networks on your own images, on the machine you have." in words(front)
    assert 'href="kernel.html#how-fast"' in front
    assert 'href="contributing.html"' in front
    assert "CONV(32|64|128)" in html.unescape(front)


def test_a_page_fetches_nothing_from_other_machines(site, pages):
    fetched = {(name, address) for name, page in pages.items() for address in FETCHED.findall(page)}
    assert len(fetched) > 200
    assert not [found for found in fetched if re.match(r"(\w+:)?//", found[1])]
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(\"?(\w+:)?//|@import", style.read_text()), style


def test_what_is_fetched_is_there(site, pages):
    for name, page in pages.items():
        for address in FETCHED.findall(page):
            if not address.startswith("data:"):
                assert (site / name).parent.joinpath(address.partition("#")[0]).exists(), f"{name}: {address}"


def test_nothing_is_left_of_the_markup(pages):
    left = re.compile(r"`|\*\*|\]\(|\]\[|\n[-*] \S|::|\|\s*-{3}")
    assert not [(name, found) for name, page in pages.items() if (found := left.search(words(page)))]


@pytest.mark.parametrize("name", sorted(set(convstage.__all__) - {"__version__"}))
def test_the_reference_has_every_public_name_once(pages, name):
    anchor = f'id="convstage.{name}"'
    having = [page for page, text in pages.items() if anchor in text]
    assert len(having) == 1, f"a page of docs/reference must have the line ::: convstage.{name}, and one page only"
    assert having[0].startswith("reference/")


def test_the_reference_has_every_setting(pages):
    page = pages["reference/training.html"]
    for name, field in convstage.Config.model_fields.items():
        assert re.search(rf'id="convstage\.(config\.)?Config\.{name}"', page), name
        assert html.escape(field.description.split(";")[0], quote=False)[:40] in page, name


def test_the_reference_has_every_command_and_option(pages):
    page = pages["reference/command-line.html"]
    context = click.Context(cli, info_name="convstage")
    for name in COMMANDS:
        start = page.index(f'id="convstage-{name}"')
        section = html.unescape(re.sub(r"<[^>]+>", "", page[start : page.find("<h2", start)]))
        command = cli.get_command(context, name)
        assert " ".join((command.help or "").split("\n\n")[0].split()) in " ".join(section.split()), name
        for parameter in command.params:
            for spelling in [*parameter.opts, *parameter.secondary_opts] if isinstance(parameter, click.Option) else ():
                assert spelling in section or parameter.hidden, f"{name} {spelling}"


def test_code_is_highlighted(pages):
    front = pages["index.html"]
    assert {">>> ", "$ "} <= set(map(html.unescape, re.findall(r'class="gp">([^<]*)', front)))
    assert "console measured" not in front


def test_search_works_without_a_server(site):
    """Browsers start no worker for a page from the file system: docs/assets/iframe-worker.js stands in for it."""
    from playwright.sync_api import sync_playwright

    failures: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.on("request", lambda request: request.url.startswith("http") and failures.append(request.url))
        page.goto((site / "reference/training.html").as_uri())
        page.click(".md-search__input")
        page.keyboard.type("winograd")
        page.wait_for_selector(".md-search-result__item", state="attached")
        links = [link.get_attribute("href") for link in page.locator(".md-search-result__link").all()]
        browser.close()
    assert any("how-it-works.html" in link for link in links)
    assert not failures


def test_the_figures_are_drawn_from_the_numbers(script, tmp_path):
    """Every text in the figures, numbers included, is what the scripts draw today."""
    script("draw_kernel").draw(tmp_path)
    overview = script("overview")
    overview.draw(overview.results(), tmp_path / "speed.svg")
    drawn = sorted(tmp_path.glob("*.svg"))
    assert [path.name for path in drawn] == sorted(path.name for path in (DOCS / "figures").glob("*.svg"))
    for path in drawn:
        assert texts(path) == texts(DOCS / "figures" / path.name), path.name


def texts(path: Path) -> list[str]:
    found = re.findall(r"<text\b[^>]*>([^<]*)</text>", path.read_text())
    assert len(found) > 10
    return found


def test_the_benchmarks_are_all_on_their_page(script):
    overview = script("overview")
    found = overview.results()
    assert set(overview.PAGES) == set(found)
    page = (DOCS / "benchmarks.md").read_text()
    assert overview.table(found) in page
    assert overview.summary(found) in page


def test_links_are_turned_to_where_pages_are(script):
    relinked = script("site_pages").relinked
    assert relinked("[a](docs/kernel.md#how-fast)", "README.md", "index.md") == "[a](kernel.md#how-fast)"
    assert relinked("[a](../locks/README.md)", "docs/reliability.md", "reliability.md") == "[a](contributing/locks.md)"
    assert relinked("[a](../lecture.md)", "docs/tutorial/seeing.md", "tutorial/seeing.md") == "[a](../lecture.md)"
    assert relinked("[a](https://optuna.org)", "docs/search.md", "search.md") == "[a](https://optuna.org)"
    assert relinked("[a](../setup.py)", "docs/search.md", "search.md") == "[a](../setup.py)"  # MkDocs warns of it
    assert relinked("[a](#here)", "docs/search.md", "search.md") == "[a](#here)"


def test_help_is_text_and_not_markup(script):
    plain = script("site_commands").plain
    assert html.unescape(plain("a | b <script> *.tar [1] data/{0..9}")) == "a | b <script> *.tar [1] data/{0..9}"
    assert not set("|<*[") & set(plain("a | b <script> *.tar [1]"))


def test_docstrings_become_markdown(script):
    turned = script("site_docstrings").as_markdown
    assert turned("See::\n\n    run = 1\n\n    run\n\nand `convstage.train`, `convstage.x`", {"train"}) == (
        "See:\n\n```python\nrun = 1\n\nrun\n```\n\nand [`convstage.train`][convstage.train], `convstage.x`"
    )
