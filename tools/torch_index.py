"""Where pip finds the PyTorch of a machine: prints pip's option for it, or nothing.

    python tools/torch_index.py [auto|cpu|cuda]

On Linux PyPI's PyTorch brings CUDA, several GB, which a machine without an NVIDIA card has no use
for. PyTorch's own index has one for the CPU; where it does not answer, PyPI's is better than none.
"""

import sys
import urllib.request
from pathlib import Path

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
ANSWER_S = 5.0  # pip itself would ask for each of 150 packages, five times, 15 s each
CARD = Path("/proc/driver/nvidia")


def options(wanted: str) -> str:
    """What pip is to be told, for `auto`, `cpu` or `cuda`."""
    if wanted == "cuda" or (wanted == "auto" and CARD.exists()):
        return ""
    try:
        with urllib.request.urlopen(f"{CPU_INDEX}/torch/", timeout=ANSWER_S):  # noqa: S310 - https
            return f"--extra-index-url {CPU_INDEX}"
    except OSError as error:  # urllib's are among them
        print(f"{CPU_INDEX} does not answer ({error}): PyTorch as PyPI has it", file=sys.stderr)
        return ""


if __name__ == "__main__":
    given = (*sys.argv[1:], "auto")[0] or "auto"
    if given not in ("auto", "cpu", "cuda"):
        sys.exit(f"{given} is not a PyTorch. Remedy: auto, cpu or cuda")
    print(options(given))
