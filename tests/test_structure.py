"""The house rules that a machine can check: which way imports go, how long files are, nothing that unpickles."""

import ast
import re
from pathlib import Path

import pytest

import convstage

PACKAGE = Path(convstage.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400

#: From the bottom to the top; a module may import from its own line and from those above it only.
LEVELS = [
    {"errors", "text"},
    {"shell"},
    {"sizes", "files", "terminal", "stopping", "machine", "shifts", "resampling", "weighted", "pages", "folders"},
    {"pictures"},
    {"notebook"},
    {"show"},
    {"stage", "optimizer", "averaging", "calibration"},
    {"network", "memory", "distributed"},
    {"pattern", "fusion"},
    {"data", "phantom"},
    {"records", "prediction"},
    {"records_series", "environment"},
    {"config", "run", "runtime", "keeping"},
    {"checkpoint", "recipe", "predict", "figures", "computing"},
    {"audit", "filters", "operating", "verdict", "paired", "shift_test", "show_bench", "bench", "step"},
    {"loop", "rate_finder", "evaluation", "baseline", "side_by_side", "show_folds", "show_comparison", "subject"},
    {"explain", "learned", "export", "estimator"},
    {"walkthrough", "report"},
    {"work", "tracking"},
    {"training"},
    {"series", "lineup"},
    {"cross_validation", "comparison", "search"},
    {"serve"},
    {"cli"},
    {"__init__", "__main__"},
]


def unit(path: Path) -> str:
    """Return the part of the package that a module belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def level(name: str) -> int:
    return next(index for index, names in enumerate(LEVELS) if name in names)


def imported_units(path: Path) -> set[str]:
    """Return the parts of the package that a module imports, at its top, in functions or for types."""
    depth = len(path.relative_to(PACKAGE).parts) - 1
    units = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == depth + 1:
            units |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
    return units


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    for name in imported_units(path) - {unit(path)}:
        is_type_only = unit(path) == "network" and name == "pattern"  # the plan is what it is built from
        assert level(name) < level(unit(path)) or is_type_only, f"{path.name} imports {name}, which stands above it"


def test_the_type_only_import_is_one() -> None:
    tree = ast.parse((PACKAGE / "network.py").read_text())
    guarded = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    assert [ast.unparse(node) for block in guarded for node in block.body] == ["from .pattern.plan import Plan"]
    assert not any(isinstance(node, ast.ImportFrom) and "pattern" in (node.module or "") for node in tree.body)


def test_files_stay_short() -> None:
    root = Path(__file__).parent.parent
    written = [*MODULES, *root.glob("csrc/*"), *root.glob("tests/**/*.py"), *root.glob("benchmarks/**/*.py")]
    assert len(written) > 100
    assert not [str(path) for path in written if len(path.read_text().splitlines()) > MAX_LINES]


def test_every_part_has_a_level() -> None:
    assert {unit(path) for path in MODULES} == set().union(*LEVELS)


def test_no_pickle_anywhere() -> None:
    forbidden = re.compile(r"\bpickle\b|torch\.(load|save)\b|allow_pickle=True|\beval\(|\bexec\(|yaml\.load\b|joblib")
    for path in MODULES:
        # The network's own eval() is no eval.
        text = re.sub(r"\w\.eval\(\)", "", path.read_text())
        found = [line for line in text.splitlines() if forbidden.search(line) and "No pickle" not in line]
        assert not found, f"{path}: {found}"


def test_public_names_exist() -> None:
    for name in convstage.__all__:
        assert getattr(convstage, name) is not None
    assert set(convstage.__all__) <= set(dir(convstage))
    assert not {name for name in convstage.__all__ if (PACKAGE / f"{name}.py").exists()}, "a module would hide the name"
    with pytest.raises(AttributeError, match="nothing_like_it"):
        getattr(convstage, "nothing_like_it")  # noqa: B009
