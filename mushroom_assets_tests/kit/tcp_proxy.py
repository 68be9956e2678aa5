"""A TCP proxy before a PostgreSQL on a unix socket, which does to its connections what it is told.

It reads the frontend's messages (https://www.postgresql.org/docs/current/protocol-overview.html)
just as far as to count them and to know a COMMIT. When to do what is the caller's business.
"""

import contextlib
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from enum import StrEnum

LENGTH = struct.Struct("!i")
PIECE = 3  # bytes of a slice; slicing ends after so many bytes, to be done
SLICED = 3000
DELAY_S = 0.03


class Fault(StrEnum):
    """What can be done to a connection when a message of its client arrives."""

    RESET = "reset"  # cut both sides; the message is lost
    SWALLOW = "swallow"  # never answer again, and stay connected
    DELAY = "delay"
    SLICE = "slice"  # answer in pieces of some bytes
    LOSE_COMMIT = "lose_commit"  # the server commits, and the client never hears of it


# Is told whether a message opens a connection, and whether it is a COMMIT
Decide = Callable[[bool, bool], Fault | None]


class Proxy:
    """Listens on 127.0.0.1 while the context is open; `decide` is asked at each client message."""

    def __init__(self, server_socket: str) -> None:
        self.server_socket = server_socket
        self.decide: Decide = lambda opening, commit: None
        self._asking = threading.Lock()  # messages of several connections are counted one by one
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes `accept`
        self._listener.close()

    def ask(self, opening: bool, commit: bool) -> Fault | None:
        """What to do at a message."""
        with self._asking:
            return self.decide(opening, commit)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            try:
                server.connect(self.server_socket)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _Carriage(self, client, server).run()
            except OSError:
                pass  # either side is gone: so is the other


class _Carriage:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy = proxy
        self.client = client
        self.server = server
        self.started = False
        self.held = b""  # of a message that has not come whole
        self.swallowing = False
        self.losing = False
        self.to_slice = 0

    def run(self) -> None:
        """Carry until a side ends the connection, or a fault does."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.client, selectors.EVENT_READ, self.from_client)
            selector.register(self.server, selectors.EVENT_READ, self.from_server)
            going = True
            while going:
                for key, _ in selector.select():
                    going = going and key.data()

    def from_client(self) -> bool:
        """Forward whole messages; whether the connection goes on."""
        data = self.client.recv(1 << 18)
        if not data:
            return False
        self.held += data
        return all(self.message(message) for message in self.messages())

    def messages(self) -> Iterator[bytes]:
        """The messages that have come whole: the first ones have no type byte."""
        while True:
            kind = int(self.started)
            if len(self.held) < kind + 4:
                return
            (length,) = LENGTH.unpack_from(self.held, kind)
            if len(self.held) < kind + length:
                return
            message = self.held[: kind + length]
            self.held = self.held[kind + length :]
            if not self.started:  # before it come requests of SSL or GSS, which the server refuses
                self.started = LENGTH.unpack_from(message, 4)[0] >> 16 == 3
            yield message

    def message(self, message: bytes) -> bool:
        """Do to a message what is to be done; whether the connection goes on."""
        if self.swallowing:  # one that came together with this
            return True
        opening = message[:1] == b"\0"
        commit = message[:1] in b"QP" and b"COMMIT" in message[:20].upper()
        # A goodbye has no answer, and may come late
        fault = None if message[:1] == b"X" else self.proxy.ask(opening, commit)
        if fault is Fault.RESET:
            return self.reset()
        if fault is Fault.SWALLOW:
            self.swallowing = True
            return True
        if fault is Fault.DELAY:
            time.sleep(DELAY_S)
        if fault is Fault.SLICE:
            self.to_slice = SLICED
        self.losing = fault is Fault.LOSE_COMMIT and commit
        self.server.sendall(message)
        return True

    def from_server(self) -> bool:
        """Forward what the server says; whether the connection goes on."""
        data = self.server.recv(1 << 18)
        if not data:
            return False
        if self.losing:  # it has answered the COMMIT
            return self.reset()
        if self.swallowing:
            return True
        for first in range(0, min(self.to_slice, len(data)), PIECE):
            self.client.sendall(data[first : min(first + PIECE, self.to_slice)])
        self.client.sendall(data[self.to_slice :])
        self.to_slice = max(0, self.to_slice - len(data))
        return True

    def reset(self) -> bool:
        """Cut the connection as a machine does that is gone: without a goodbye."""
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False
