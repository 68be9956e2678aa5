"""Whether the UI is up, as its supervisor asks it."""

import socket

from mushroom_assets.service.ui import wait_for_ui


def test_a_ui_that_nobody_serves_is_not_up() -> None:
    with socket.socket() as bound:  # bound but not listening: it refuses
        bound.bind(("127.0.0.1", 0))
        assert wait_for_ui("127.0.0.1", bound.getsockname()[1], [], timeout_s=0.1) is False
