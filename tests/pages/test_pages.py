"""Pages: self-contained, escaped, with a policy that lets their own script run and no other."""

import base64
import hashlib
import html
import re
from pathlib import Path

import pytest

import convstage.pages
from convstage import pages

FOLDER = Path(convstage.pages.__file__).parent
NAMES = sorted(file.stem for file in FOLDER.glob("*.html") if file.stem != "base")
HOSTILE = "<script>alert(1)</script>\"'&😀שלום"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Return a folder that a test can put pages into."""
    from jinja2 import DictLoader

    files: dict[str, str] = {}
    base = (FOLDER / "base.html").read_text()
    monkeypatch.setattr(pages, "_content", lambda name: files.get(name, ""))
    environment = pages._environment().overlay(loader=DictLoader(files | {"base.html": base}))

    def render(page, content, /, **context):
        files[f"{page}.html"] = f'{{% extends "base.html" %}}{{% block content %}}{content}{{% endblock %}}'
        environment.loader = DictLoader(files | {"base.html": base})
        return pages.page(page, **context)

    monkeypatch.setattr(pages, "_environment", lambda: environment)
    return files, render


def test_text_is_escaped_in_the_page_and_in_its_data(own):
    files, render = own
    files["x.js"] = "let a = 1;"
    text = render("x", "{{ name | named }}", name=HOSTILE, data={"name": HOSTILE})
    assert text.count("<script>") == 1
    assert html.unescape(re.search("<bdi>(.*?)</bdi>", text)[1]) == HOSTILE
    assert "alert(1)</script>" not in text
    data = re.search(r'id="data">(.*?)</script>', text)[1]
    assert "<" not in data
    assert "\\u003cscript\\u003e" in data


def test_the_policy_allows_this_script_alone(own):
    files, render = own
    files["x.js"] = "document.title = '1';\n"
    text = render("x", "", data=None)
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_without_a_script_none_may_run(own):
    _, render = own
    text = render("x", "")
    assert "<script" not in text
    assert "script-src" not in text


def test_a_name_that_the_template_asks_for_and_nobody_gives_is_an_error(own):
    from jinja2 import UndefinedError

    _, render = own
    with pytest.raises(UndefinedError):
        render("x", "{{ nothing }}")


def test_a_frame_holds_the_page_as_text():
    frame = pages.embedded('<p class="a">&amp;</p>', 300)
    assert html.unescape(re.search(r'srcdoc="([^"]*)"', frame)[1]) == '<p class="a">&amp;</p>'
    assert 'sandbox="allow-scripts"' in frame


@pytest.mark.parametrize("name", NAMES)
def test_our_pages_load_nothing_and_have_no_inline_handlers(name):
    template = (FOLDER / f"{name}.html").read_text()
    assert '{% extends "base.html" %}' in template or "{% macro" in template
    for file in FOLDER.glob(f"{name}[._]*"):
        text = file.read_text().replace("http://www.w3.org/", "")
        assert not re.search(r"https?://|@import|\bimport\(|url\((?!data:|#)", text), file.name
        assert not re.search(r"\son[a-z]+=|javascript:|\|\s*safe\b|innerHTML|document\.write|\beval\(", text), file.name
