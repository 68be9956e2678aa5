"""Files for measuring, drawn once and kept in a folder between runs, as zip archives of JPEGs.

Here lives keeping alone: what is drawn is the business of `scenes`, `alterations` and the plant.
"""

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

from mushroom_assets import simulation
from training.measure import Seen


def kept(folder: Path, name: str, make: Callable[[], list[Seen]]) -> list[Seen]:
    """The files that `make` draws, from the folder if they were drawn by the same code."""
    path = folder / f"{name}-{_version()}.zip"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with zipfile.ZipFile(part, "w") as archive:
            for number, one in enumerate(make()):
                archive.writestr(f"{number:05d} {one.stage} {one.condition}", one.data)
        part.rename(path)
    with zipfile.ZipFile(path) as archive:
        found = []
        for entry in archive.namelist():
            _, stage, condition = entry.split(" ")
            found.append(Seen(archive.read(entry), stage, condition))
    return found


def _version() -> str:
    """Eight hex digits that change with the code that draws."""
    drawing = Path(simulation.__file__).parent.glob("*.py")
    here = [Path(__file__).parent / f"{name}.py" for name in ("scenes", "alterations")]
    code = b"".join(file.read_bytes() for file in sorted([*drawing, *here]))
    return hashlib.sha256(code).hexdigest()[:8]
