"""What stands around every answer: headers that bind the browser, and the size of a request.

Pure ASGI, outside of everything: an error has them too.
"""

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 256 * 1024  # a note of 10,000 characters has 90 kB as a form
TOO_LARGE = 413
NUMBER = re.compile("[0-9]{1,12}")
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
BOUND = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: a browser would send our own forms with the origin `null`
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Shell:
    """The application with headers on every answer; a body that is too large does not reach it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                _bind(MutableHeaders(scope=message), is_https=scope["scheme"] == "https")
            await send(message)

        told = Headers(scope=scope).get("content-length", "0")
        await self.app(scope, _counted(receive, told), sent)


def _counted(receive: Receive, told: str) -> Receive:
    """The messages of a request whose body is not too large, whatever length it told."""
    got = 0

    async def received() -> Message:
        nonlocal got
        message = await receive()
        got += len(message.get("body", b""))
        if got > MOST_BYTES or not NUMBER.fullmatch(told) or int(told) > MOST_BYTES:
            raise HTTPException(TOO_LARGE)
        return message

    return received


def _bind(headers: MutableHeaders, *, is_https: bool) -> None:
    for name, value in BOUND.items():
        headers[name] = value
    if is_https:
        cookies = headers.getlist("set-cookie")
        del headers["set-cookie"]
        for cookie in cookies:
            headers.append("set-cookie", f"{cookie}; Secure")
