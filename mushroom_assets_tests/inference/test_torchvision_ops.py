"""The mend, in a fresh interpreter each: an import cannot be undone."""

import subprocess
import sys

import pytest

FAILING_LOADER = """
import torch
def load_library(path): raise OSError("undefined symbol")
torch.ops.load_library = load_library
"""
FAILED_IMPORT_BEFORE = """
try:
    import torchvision
except RuntimeError as error:
    assert "nms does not exist" in str(error)
else:
    raise SystemExit("the import was meant to fail")
"""
MEND = """
from mushroom_assets.inference.torchvision_ops import ensure_torchvision_imports
assert ensure_torchvision_imports() is True
assert ensure_torchvision_imports() is False
import torchvision.transforms
"""


@pytest.mark.parametrize(
    "before", ["", FAILED_IMPORT_BEFORE], ids=["at once", "after a failed import"]
)
def test_operators_that_do_not_load_no_longer_stop_the_import(before: str) -> None:
    program = FAILING_LOADER + before + MEND
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_what_is_imported_is_left_alone() -> None:
    program = """
from mushroom_assets.inference import torchvision_ops
import sys, types
sys.modules["torchvision"] = types.ModuleType("torchvision")
assert torchvision_ops.ensure_torchvision_imports() is False
assert "torch" not in sys.modules
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
