"""Pages of the site that lie elsewhere, and blocks of code as the site's highlighter knows them.

A hook of MkDocs. What GitHub shows at a folder's door is shown by the site, too, without a
second copy: README.md is the front page. Links between such pages and docs/ are turned
to where the pages are in the site.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
#: File of the repository -> page of the site.
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
    "locks/README.md": "contributing/locks.md",
    "src/convstage/data/samples/README.md": "reference/samples.md",
}
LINK = re.compile(r"(\]\()([^)\s#:]+)(#[^)]*)?\)")
FENCE = re.compile(r"^```(\w+(?: measured)?)$", re.MULTILINE)
#: What pytest reads in tests/test_docs.py -> the lexer of Pygments that knows prompts and output.
LEXERS = {"python": "pycon", "console": "console", "console measured": "console"}


def on_files(files: Files, config) -> Files:
    """Add the pages of the repository's other folders."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page, **_) -> str:
    """Turn links to where pages are in the site, and name the lexers."""
    here = page.file.src_uri
    source = next((name for name, at in PAGES.items() if at == here), f"docs/{here}")
    return bars(lexers(relinked(markdown, source, here)))


def relinked(markdown: str, source: str, here: str) -> str:
    """Return a page with its links relative to where it is in the site.

    Parameters
    ----------
    markdown : str
    source : str
        The file that holds the page, from the root of the repository.
    here : str
        Where the page is in the site.
    """

    def turned(match: re.Match) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[2]))
        at = PAGES.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else None)
        if at is None:
            return match[0]  # MkDocs says that there is no such page
        return f"{match[1]}{posixpath.relpath(at, posixpath.dirname(here) or '.')}{match[3] or ''})"

    return LINK.sub(turned, markdown)


def lexers(markdown: str) -> str:
    """Return a page whose fences name lexers of Pygments."""
    return FENCE.sub(lambda match: f"```{LEXERS.get(match[1], match[1])}", markdown)


def bars(markdown: str) -> str:
    """Return a page whose tables have bars in code as they are: GitHub wants a backslash before them, Markdown not."""
    return re.sub(r"^\|.*$", lambda row: re.sub(r"`[^`]*`", _unescaped, row[0]), markdown, flags=re.MULTILINE)


def _unescaped(code: re.Match) -> str:
    return code[0].replace(r"\|", "|")
