"""What convstage is measured against: frameworks, in the ways that their users run them."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
TASKS = ("train", "infer", "latency")
#: The side that all others are compared with.
OURS = "convstage"
#: Ways to keep freed memory in the process, as convstage does it by itself; the first is to do nothing.
ALLOCATORS = ("", "tuned", "tcmalloc")
#: glibc's own allocator, kept from giving memory back.
TUNED = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "20000000000", "MALLOC_TOP_PAD_": str(256 << 20)}
TCMALLOC = "libtcmalloc_minimal.so.4"


@dataclass(frozen=True)
class Side:
    """A framework in one of its variants, with one of the allocators.

    Attributes
    ----------
    name : str
        As the tables have it.
    module, variant : str
        The program in ``sides/`` that serves it, and its argument.
    environment : str
        Folder below ``.peers`` whose Python runs it; empty for the Python that runs this.
    tasks : tuple of str
        What it is asked for.
    allocator : str
        One of `ALLOCATORS`.
    """

    name: str
    module: str
    variant: str = ""
    environment: str = ""
    tasks: tuple[str, ...] = TASKS[:2]
    allocator: str = ""

    @property
    def python(self) -> Path:
        return ROOT / ".peers" / self.environment / "bin/python" if self.environment else Path(sys.executable)

    def variables(self, tcmalloc: str | None) -> dict[str, str]:
        """Return the environment variables of its process."""
        threads = str(os.cpu_count())
        variables = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
        if self.allocator == "tuned":
            variables |= TUNED
        if self.allocator == "tcmalloc":
            variables["LD_PRELOAD"] = str(tcmalloc)
        return variables

    def missing(self, tcmalloc: str | None) -> str:
        """Return why it cannot run here, nothing when it can."""
        if not self.python.exists():
            return f"its environment .peers/{self.environment} does not exist; make bench-peers makes it"
        if self.allocator == "tcmalloc" and tcmalloc is None:
            return f"{TCMALLOC} is not on this machine"
        if self.variant == "compile" and not shutil.which(os.environ.get("CXX", "g++")):
            return "there is no C++ compiler, which torch.compile needs"
        return ""


def _with_allocators(name: str, *arguments: str, tasks: tuple[str, ...] = TASKS[:2]) -> list[Side]:
    return [
        Side(", ".join(filter(None, (name, allocator))), *arguments, tasks=tasks, allocator=allocator)
        for allocator in ALLOCATORS
    ]


SIDES = {
    side.name: side
    for side in (
        Side(OURS, "convstage", tasks=TASKS),
        *_with_allocators("torch", "torch", "eager"),
        *_with_allocators("torch channels-last", "torch", "channels-last", tasks=TASKS),
        *_with_allocators("torch compile", "torch", "compile"),
        *_with_allocators("Keras train_on_batch", "keras", "", "tensorflow"),
        *_with_allocators("Keras tf.function", "keras", "function", "tensorflow"),
        *_with_allocators("JAX", "jax", "", "jax"),
        Side("ONNX Runtime", "onnxruntime", environment="onnxruntime", tasks=TASKS[1:]),
        Side("OpenVINO", "openvino", environment="openvino", tasks=TASKS[1:]),
    )
}


def find_tcmalloc() -> str | None:
    """Return tcmalloc's library where systems put it, None when there is none."""
    folders = [
        folder for root in ("/usr/lib", "/usr/local/lib") for folder in (Path(root), *Path(root).glob("*-linux-*"))
    ]
    return next(
        (str(folder / TCMALLOC) for folder in (*folders, Path("/usr/lib64")) if (folder / TCMALLOC).exists()), None
    )
