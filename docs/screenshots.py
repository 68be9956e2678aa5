"""The pictures of the README, `docs/images/*.png`: the browser tests take them on their way.

python docs/screenshots.py        needs Chromium, and fonts with Chinese; one minute
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TESTS = ("test_page_of_a_farm.py", "test_answers.py")

if __name__ == "__main__":
    environment = os.environ | {"SCREENSHOTS": str(ROOT / "docs" / "images")}
    os.chdir(ROOT)
    tests = [f"mushroom_assets_tests/browser/{name}" for name in TESTS]
    os.execve(sys.executable, [sys.executable, "-m", "pytest", "-q", *tests], environment)  # noqa: S606 - our own tests
