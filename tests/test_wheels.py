"""What is given away: the sdist is whole, wheels are for every Python, and without a compiler everything works."""

import email
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

import convstage.stage.load as load
from support.scripts import script as load_script

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PAGE = (ROOT / "docs/install.md").read_text()
WORKFLOW = ROOT / ".github/workflows/wheels.yml"
#: Beside hidden files, what a checkout may hold that is not of the project.
FOREIGN = {"build", "dist", "runs", "site", "wheelhouse", "fuzz-failures"}
GENERATED = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.so")
PATTERN = "INPUT -> CONV(4) -> RELU -> POOL -> CLASSIFIER"

pytestmark = pytest.mark.xdist_group("wheels")  # they are built once, not in every process


def backend(hook: str, source: Path, out: Path, **settings: str) -> Path:
    """Let the build backend make a file, as pip does."""
    code = f"from setuptools import build_meta; print(build_meta.{hook}({str(out)!r}))"
    environment = {name: value for name, value in os.environ.items() if name not in ("CC", "CXX")} | settings
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out / done.stdout.splitlines()[-1]


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def script():
    return load_script("scripts/wheel.py")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Return a copy of the checkout: what is hidden is of the tools, what is generated is not of the project."""
    copy = tmp_path_factory.mktemp("tree")
    for entry in ROOT.iterdir():
        if entry.is_dir() and entry.name[0] != "." and entry.name not in FOREIGN:
            shutil.copytree(entry, copy / entry.name, ignore=GENERATED)
        elif entry.is_file() and entry.name[0] != "." and entry.suffix != ".whl":
            shutil.copy(entry, copy)
    return copy


@pytest.fixture(scope="module")
def sdist(tree, tmp_path_factory):
    before = files_of(tree)
    path = backend("build_sdist", tree, tmp_path_factory.mktemp("sdist"))
    for name in set(files_of(tree)) - set(before):  # what setuptools leaves beside the sources
        (tree / name).unlink()
    return path


@pytest.fixture(scope="module")
def unpacked(sdist, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (inside,) = folder.iterdir()
    return inside


@pytest.fixture(scope="module")
def compiler(tmp_path_factory):
    """Return a compiler that reads no source: what comes out has the form of the library, and takes no minutes."""
    path = tmp_path_factory.mktemp("compiler") / "c++"
    real = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    code = f"""#!{sys.executable}
import os, sys
given = [("/dev/null" if word.endswith(".cpp") else word) for word in sys.argv[1:] if not word.startswith("-m")]
os.execv({real!r}, [{real!r}, *(["-x", "c++"] if "-c" in given else []), *given])
"""
    path.write_text(code)
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return str(path)


@pytest.fixture(scope="module")
def wheel(unpacked, compiler, tmp_path_factory):
    """Return a wheel of this platform, made from the sdist."""
    out = tmp_path_factory.mktemp("wheel")
    return backend("build_wheel", unpacked, out, CC=compiler, CXX=compiler, CONVSTAGE_KERNEL="required")


@pytest.fixture(scope="module")
def installed(sdist, tmp_path_factory):
    """Return a folder that the sdist was installed in by pip, where there is no compiler."""
    target, empty = tmp_path_factory.mktemp("installed"), tmp_path_factory.mktemp("bin")
    kept = {name: value for name, value in os.environ.items() if name not in ("CC", "CXX", "CONVSTAGE_KERNEL")}
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    command = [*pip, "--no-cache-dir", "--target", str(target), str(sdist)]
    done = subprocess.run(command, env=kept | {"PATH": str(empty)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def test_the_sdist_holds_the_whole_tree_byte_for_byte(tree, unpacked):
    made = {"PKG-INFO", "setup.cfg"}
    packed = {name: content for name, content in files_of(unpacked).items() if ".egg-info/" not in name}
    wanted = files_of(tree)
    assert sorted(set(packed) - made) == sorted(wanted)
    assert [name for name in wanted if packed[name] != wanted[name]] == []
    assert {"csrc/register.cpp", "csrc/stage.h", "tests/conftest.py", "docs/install.md"} <= set(packed)


def test_the_wheel_is_for_every_python_and_for_this_platform_only(wheel):
    python, abi, platform = wheel.stem.split("-")[2:]
    assert (python, abi) == ("py3", "none")
    assert platform.split("_")[0] in ("linux", "macosx")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/WHEEL"))
        about = email.message_from_bytes(archive.read(name))
        assert archive.read("convstage/stage/_stage.so")[:4] in (b"\x7fELF", b"\xcf\xfa\xed\xfe")
    assert about["Tag"] == f"py3-none-{platform}"
    assert about["Root-Is-Purelib"] == "false"


def test_the_wheel_is_the_package_of_the_sdist_and_no_more(script, wheel, sdist):
    assert script.problems(wheel, sdist) == []


def test_what_is_wrong_with_a_wheel_is_said(script, wheel, sdist, tmp_path):
    spoiled = tmp_path / wheel.name.replace("py3-none", "cp311-cp311")
    without = ("convstage/py.typed", "convstage/stage/_stage.so", "convstage/pages/base.html")
    with zipfile.ZipFile(wheel) as good, zipfile.ZipFile(spoiled, "w") as bad:
        for name in good.namelist():
            if name not in without and not name.endswith("entry_points.txt"):
                bad.writestr(name, good.read(name))
        bad.writestr("tests/conftest.py", "")
    assert script.problems(spoiled, sdist) == [
        f"{spoiled.name} lacks convstage/pages/base.html",
        f"{spoiled.name} lacks convstage/py.typed",
        f"{spoiled.name} lacks convstage/stage/_stage.so",
        f"{spoiled.name} holds tests/conftest.py, which is not of the package",
        f"{spoiled.name} lacks its entry_points.txt",
        f"{spoiled.name} is for one Python only; expected py3-none-<platform>",
    ]


def test_a_wheel_to_give_away_is_not_made_without_its_library(unpacked, tmp_path):
    code = f"from setuptools import build_meta; build_meta.build_wheel({str(tmp_path)!r})"
    environment = os.environ | {"CC": "/nowhere/cc", "CXX": "/nowhere/c++", "CONVSTAGE_KERNEL": "required"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=unpacked, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "/nowhere/c" in done.stderr
    assert not list(tmp_path.iterdir())


def test_another_word_for_the_kernel_is_refused(unpacked):
    command = [sys.executable, "setup.py", "--version"]
    environment = os.environ | {"CONVSTAGE_KERNEL": "perhaps"}
    done = subprocess.run(command, cwd=unpacked, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "CONVSTAGE_KERNEL=perhaps is not known; it is one of auto, required, none.\n"


def test_what_is_installed_without_a_compiler_is_for_every_platform(installed):
    (about,) = installed.glob("convstage-*.dist-info")
    told = email.message_from_string((about / "WHEEL").read_text())
    assert (told["Tag"], told["Root-Is-Purelib"]) == ("py3-none-any", "true")
    assert not list(installed.rglob("*.so"))
    packed = {name.partition("/")[2] for name in files_of(installed) if name.startswith("convstage/")}
    wanted = {name for name in files_of(ROOT / "src/convstage") if not name.endswith((".so", ".pyc"))}
    assert {name for name in packed if not name.endswith(".pyc")} == wanted


def test_without_a_compiler_a_training_works_with_one_warning(installed, tmp_path, make_folder):
    folder = make_folder(tmp_path / "data", {"a": 12, "b": 12}, size=16)
    flags = ["--pattern", PATTERN, "--epochs", "1", "--no-report", "--out", str(tmp_path / "runs")]
    environment = os.environ | {"PYTHONPATH": str(installed), "CONVSTAGE_ISA": "", "PYTHONWARNINGS": "default"}
    command = [sys.executable, "-m", "convstage", "train", str(folder), *flags]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (config,) = (tmp_path / "runs").glob("*/config.json")
    assert json.loads(config.read_text())["environment"]["stage"] == "composed torch operations"
    assert (config.parent / "model.safetensors").exists()
    assert done.stderr.count("UserWarning: convstage: ") == 1
    (warning,) = (line.partition("UserWarning: ")[2] for line in done.stderr.splitlines() if "convstage: " in line)
    assert warning in " ".join(PAGE.replace("\n> ", " ").split())
    assert "was no C++ compiler at installation. Everything works, slower. Install a C++ compiler" in warning


def test_on_windows_nobody_is_told_to_install_a_compiler(monkeypatch, tmp_path):
    monkeypatch.setattr(load, "KERNELS", tmp_path / "nowhere.so")
    monkeypatch.setattr(load.sys, "platform", "win32")
    monkeypatch.delenv("CONVSTAGE_ISA", raising=False)
    with pytest.warns(UserWarning, match="no compiled kernel for Windows.*Run it on Linux") as told:
        assert load._load.__wrapped__() == (None, "there is no compiled kernel for Windows")
    assert "compiler" not in str(told[0].message)


def test_the_library_needs_nothing_that_the_oldest_torch_lacks():
    """The functions of torch 2.10's C interface were read from its library; a newer one is null with it, and asked."""
    known = json.loads((ROOT / "tests/stage/torch_2_10.json").read_text())
    assert Version(known["torch"]).release[:2] == minimum_torch().release[:2]
    names = ["nm", "-D", "--undefined-only", str(load.KERNELS)]
    listed = subprocess.run(names, capture_output=True, text=True, check=True).stdout
    symbols = dict(reversed(line.split()[-2:]) for line in listed.splitlines())
    asked = {name for name in symbols if name.startswith(("torch_", "aoti_torch_"))}
    assert len(asked) > 15
    assert {name: symbols[name] for name in asked - set(known["functions"])} == {"torch_from_blob": "w"}


def minimum_torch() -> Version:
    (torch,) = (one for one in map(Requirement, PROJECT["project"]["dependencies"]) if one.name == "torch")
    (floor,) = torch.specifier
    assert floor.operator == ">="
    return Version(floor.version)


def test_wheels_are_built_for_one_python_and_tried_with_the_oldest_and_the_pinned_torch():
    wheels = PROJECT["tool"]["cibuildwheel"]
    assert wheels["build"] == f"cp{PROJECT['project']['requires-python'][2:].replace('.', '')}-*"
    assert all(one["environment"]["CONVSTAGE_KERNEL"] == "required" for one in (wheels["linux"], wheels["macos"]))
    assert "--exclude libtorch_cpu.so" in wheels["linux"]["repair-wheel-command"]
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    (pinned,) = (line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch=="))
    tried = jobs["torch"]["strategy"]["matrix"]["torch"]
    assert [Version(version) for version in tried] == [minimum_torch(), Version(pinned.partition("==")[2])]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    named = [word for command in commands for word in command.split() if word.startswith(("tests/", "locks/"))]
    assert named and all((ROOT / name).exists() for name in named)


def test_the_page_lists_every_extra_with_what_it_installs():
    rows = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("| `")]
    table = {row[0].strip().strip("`"): {name.strip(" `") for name in row[2].split(",")} for row in rows}
    extras = PROJECT["project"]["optional-dependencies"]
    assert table == {name: {Requirement(one).name for one in wanted} for name, wanted in extras.items()}


def test_the_page_names_the_oldest_versions():
    assert f"torch from {minimum_torch()} on" in PAGE
    assert f"Python {PROJECT['project']['requires-python'].removeprefix('>=')} or later" in PAGE
