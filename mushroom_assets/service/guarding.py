"""`mushroom up`'s end of the pipe to its guard: what is to be ended if this process is killed.

What the guard then does lives in `guard`, which must not import anything of ours.
"""

import contextlib
import json
import subprocess
import sys
from dataclasses import dataclass, field

from mushroom_assets.service import guard
from mushroom_assets.service.children import Kept


@dataclass
class Guarding(Kept):
    """The guard, watched like the others.

    Attributes:
        claim: descriptor of the file whose lock claims the home; the guard holds it too.
    """

    claim: int
    ward: guard.Ward = field(default_factory=lambda: guard.Ward(groups=[], server=None))
    process: subprocess.Popen[str] | None = field(default=None, init=False)

    def _start(self) -> None:
        # -I and -S: nothing of the environment and no installed package can keep it from starting
        self.process = subprocess.Popen(  # noqa: S603 - our own file
            [sys.executable, "-I", "-S", guard.__file__, str(self.claim)],
            stdin=subprocess.PIPE,
            text=True,
            pass_fds=[self.claim],
            start_new_session=True,
        )
        self._send()

    def _ended(self) -> str | None:
        code = None if self.process is None else self.process.poll()
        return None if code is None else f"ended with exit code {code}"

    def tell(self, ward: guard.Ward) -> None:
        """Say what is to be ended from now on."""
        if ward != self.ward:
            self.ward = ward
            self._send()

    def dismiss(self) -> None:
        """End it; what was not stopped in order ends with it."""
        self.tell(guard.Ward(groups=self.ward["groups"], server=None))
        if self.process is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.communicate()

    def _send(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            with contextlib.suppress(
                BrokenPipeError
            ):  # it ended: the next one is told at its start
                self.process.stdin.write(json.dumps(self.ward) + "\n")
                self.process.stdin.flush()
