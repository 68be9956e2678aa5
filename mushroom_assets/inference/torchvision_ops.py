"""The mend for a torchvision whose compiled operators cannot be loaded.

Nothing else lives here. The operators stay without an implementation: nothing in CLIP calls them.
"""

import importlib.machinery
import importlib.util
import sys
from typing import Any

SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
# Those that torchvision describes to torch at import, whether or not they are loaded
OPERATORS = ("nms", "qnms")
_definitions: list[Any] = []  # torch forgets the operators of a Library that is garbage collected


def ensure_torchvision_imports() -> bool:
    """Make `import torchvision` work where its compiled operators do not load.

    Call it before `import open_clip`.

    torchvision's operators are linked against one torch build. Beside another (a CPU build of
    torch, with the CUDA build of torchvision that PyPI serves) they do not load; torchvision
    forgives that, then still describes `nms` and `qnms` to torch, and its import ends with
    "operator torchvision::nms does not exist". Declaring the two schemas beforehand is enough.
    To find out whether that is needed, this loads the operators as torchvision itself would. A
    failing import would leave half of the package in `sys.modules`.

    Returns:
        Whether something had to be declared.
    """
    if "torchvision" in sys.modules or _definitions:
        return False
    import torch  # 1.4 s with warm disk caches; only a process that encodes pays it

    found = importlib.util.find_spec("torchvision")  # locates the package, runs none of it
    folders = list(found.submodule_search_locations or []) if found else []
    compiled = importlib.machinery.PathFinder.find_spec("_C", folders)
    if compiled is not None and compiled.origin is not None:
        try:
            torch.ops.load_library(compiled.origin)
        except OSError:
            # Linked against another torch: the operators are missing, which is what is asked below
            pass
    missing = [name for name in OPERATORS if not hasattr(torch.ops.torchvision, name)]
    if missing:
        # torchvision's own kind: it may add more later
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in missing:
            library.define(name + SIGNATURE)
        _definitions.append(library)
    return bool(missing)
