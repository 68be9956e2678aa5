"""Who may change something: the password, the session that it opens, and where a request is from.

To read is free. Every route of `app.CHANGING` depends on `may_change`; what it refuses, and why, is
told by `Refused`. Sessions are signed cookies (Starlette, itsdangerous), tokens against foreign
forms are WTForms'.
"""

import hashlib
import hmac
import ipaddress
import logging
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from fastapi import Depends, Form, Request
from markupsafe import Markup
from starlette.datastructures import ImmutableMultiDict
from wtforms import Form as TokenForm
from wtforms.csrf.session import SessionCSRF

from mushroom_assets.settings import Settings

log = logging.getLogger(__name__)
COOKIE = "mushroom_session"
SESSION_S = 7 * 86_400  # a week of mornings
NAME = "name"  # of the session: who has logged in
SESSION = "id"  # of the session
TOKEN = "csrf_token"  # noqa: S105 - the field of a form, as WTForms calls it
KEY_FILE = "page.key"
LONGEST_NAME = 80
# A proxy on this machine stands between: who asks is not known
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")

# Whether a request may change something; if not, what stands against it
Standing = Literal["open", "log_in", "no_password", "read_only"]


class Refused(Exception):
    """A change is refused; `why` is a standing, or `foreign`: it comes from another site's page."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class Access:
    """How the page is guarded.

    Attributes:
        password: for changes; None where there is none.
        is_loopback: the server listens for this machine alone.
        is_read_only: nobody changes anything.
        key: signs the sessions.
        ended: sessions that somebody has logged out of, and when: their cookies may be kept.
    """

    password: str | None = field(default=None, repr=False)
    is_loopback: bool = True
    is_read_only: bool = False
    key: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    ended: dict[str, float] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, settings: Settings, host: str, *, is_read_only: bool) -> "Access":
        """The access of a server that listens on a host."""
        password = settings.page_password
        return cls(password, is_loopback(host), is_read_only, session_key(settings.home, password))

    def begin(self, session: dict[str, Any], name: str) -> None:
        """Begin a session of one's own: whoever knew what was there before does not know it."""
        session.clear()
        session.update({NAME: name, SESSION: secrets.token_hex(16)})

    def end(self, session: dict[str, Any]) -> None:
        """End a session: neither its cookie nor a copy of it opens anything."""
        now = time.monotonic()
        for known, since in list(self.ended.items()):
            if now - since > SESSION_S:
                del self.ended[known]
        self.ended[str(session.get(SESSION))] = now
        session.clear()

    def has_begun(self, session: dict[str, Any]) -> bool:
        """Whether somebody has logged in by it."""
        return NAME in session and session.get(SESSION, "") not in self.ended

    def is_password(self, given: str) -> bool:
        """Whether it is the password; takes as long whatever is given."""
        expected = (self.password or "").encode()
        return self.password is not None and hmac.compare_digest(given.encode(), expected)


def session_key(home: Path, password: str | None) -> str:
    """The key that signs sessions: kept in the home, so that a restart logs nobody out.

    Another password is another key: it ends all sessions.
    """
    secret = _kept_secret(home / KEY_FILE)
    return hmac.new(secret, (password or "").encode(), hashlib.sha256).hexdigest()


def _kept_secret(path: Path) -> bytes:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
        try:
            os.link(beside, path)  # the first of two servers makes it, whole
        except FileExistsError:
            pass
        finally:
            beside.unlink()
        return path.read_bytes()
    except OSError as error:
        log.warning(
            "%s cannot be kept (%s): a restart of the page logs everybody out. "
            "Remedy: let this user write into MUSHROOM_HOME", path, error.strerror,
        )  # fmt: skip
        return secrets.token_bytes(32)


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own, which no other can reach."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def access_of(request: Request) -> Access:
    """How the page is guarded; as a dependency of a route."""
    access: Access = request.app.state.access
    return access


def standing(request: Request) -> Standing:
    """Whether who asks may change something."""
    access = access_of(request)
    if access.is_read_only:
        return "read_only"
    if access.password is not None:
        return "open" if access.has_begun(request.session) else "log_in"
    return "open" if access.is_loopback and _is_from_here(request) else "no_password"


def _is_from_here(request: Request) -> bool:
    """Whether a request is of this machine, to a name of this machine, and by nobody's hand.

    A name: another site's name may be made to lead here (DNS rebinding).
    """
    if request.client is None or not is_loopback(request.client.host):
        return False
    if any(name in request.headers for name in FORWARDED):
        return False
    return is_loopback(urlsplit(f"//{request.headers.get('host', '')}").hostname or "")


class _Tokens(TokenForm):
    """A form of nothing but the token."""

    class Meta:
        csrf = True
        csrf_class = SessionCSRF
        csrf_time_limit = None  # as long as the session


def _tokens(request: Request, given: Mapping[str, str] | None = None) -> Any:
    meta = {"csrf_context": request.session, "csrf_secret": access_of(request).key.encode()}
    return _Tokens(ImmutableMultiDict(given) if given else None, meta=meta)


def token_field(request: Request) -> Markup:
    """The hidden field of a form by which its POST is known to come from this page."""
    return Markup(_tokens(request)[TOKEN](id=False))  # noqa: S704 - WTForms has escaped it


Token = Annotated[str, Form(alias=TOKEN, max_length=200)]


def may_change(request: Request, token: Token = "") -> None:
    """Who asks may change something, and does so by a form of this page; a dependency of a route.

    Raises:
        Refused: may not, or it is another's form.
    """
    now = standing(request)
    if now != "open":
        raise Refused(now)
    own_form(request, token)


def own_form(request: Request, token: Token = "") -> None:
    """The POST comes from a form of this page, in the session that was shown it.

    Raises:
        Refused: from another site, or of another session.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Refused("foreign")
    # Whoever has a password may stand behind a proxy that writes another Host; without one the
    # origin is all that tells this page from another site's
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    if access_of(request).password is None and request.headers.get("origin") != own:
        raise Refused("foreign")
    if "csrf" not in request.session or not _tokens(request, {TOKEN: token}).validate():
        raise Refused("token")


def author(request: Request, told: Annotated[str, Form(alias="author")] = "") -> str:
    """Who changes something: who has logged in; without a password who the form says it is.

    The name is remembered. "" where none is known.
    """
    known = str(request.session.get(NAME, ""))
    name = clean_name(told)
    if access_of(request).password is not None or not name:
        return known
    if name != known:
        request.session[NAME] = name
    return name


def clean_name(given: str) -> str:
    """A name in one line, without what cannot be seen; at most so long."""
    shown = "".join(sign for sign in " ".join(given.split()) if sign.isprintable())
    return shown[:LONGEST_NAME].strip()


Author = Annotated[str, Depends(author)]
