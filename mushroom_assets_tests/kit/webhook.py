"""A receiver of messages on loopback, as apprise's `json://` sends them."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Webhook:
    """Keeps what is posted to it; refuses it unless `status` is 200.

    Attributes:
        posted: what was taken.
        refused: how many were not.
        status: of the answers.
        silent: whether it reads and never answers.
        before_answer: is called when a message is taken and the sender does not know yet.
    """

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []
        self.refused = 0
        self.status = 200
        self.silent = False
        self.before_answer: Callable[[], None] | None = None
        self.ending = threading.Event()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.take(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                if hook.silent:
                    hook.ending.wait()
                    return
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"json://127.0.0.1:{self.server.server_port}/secret-path"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def titles(self) -> list[str]:
        """Of what was taken."""
        return [message["title"] for message in self.posted]

    def take(self, message: dict[str, Any]) -> None:
        """Keep a message, or count it as refused."""
        if self.status != 200 or self.silent:
            self.refused += 1
            return
        self.posted.append(message)
        if self.before_answer is not None:
            self.before_answer()

    def close(self) -> None:
        """Listen no longer."""
        self.ending.set()
        self.server.shutdown()
        self.server.server_close()


@contextlib.contextmanager
def listening(count: int = 1) -> Iterator[list[Webhook]]:
    """So many receivers, closed at the end."""
    found = [Webhook() for _ in range(count)]
    try:
        yield found
    finally:
        for hook in found:
            hook.close()
