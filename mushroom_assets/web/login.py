"""Log in, `/login`: a name and, where there is one, the password, once; and log out.

What a session is, and what it may do, is the business of `access`.
"""

import logging
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from mushroom_assets.web.access import access_of, clean_name, own_form, standing
from mushroom_assets.web.place import SpokenFarm
from mushroom_assets.web.rendering import page
from mushroom_assets.web.throttle import EVERYBODY, limit, network, throttle_of

log = logging.getLogger(__name__)
router = APIRouter()
AFTER_POST = 303
FORBIDDEN = 403
TOO_MANY = 429
# Wrong passwords: of one address, and of all. Who has logged in is logged in for a week, so that
# nobody is kept from work by who guesses
OF_ONE = limit("5/minute")
OF_ALL = limit("100/hour")
WRONG = "wrong password"


@router.get("/login")
def ask(request: Request, farm: SpokenFarm, next: str = "/") -> HTMLResponse:
    """Ask for name and password, or say that none is needed or none helps."""
    return _page(request, farm, local(next), "")


@router.post("/login", dependencies=[Depends(own_form)])
def log_in(
    request: Request,
    farm: SpokenFarm,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:
    """Begin a session of one's own where the password is right."""
    back = local(next)
    if standing(request) in ("no_password", "read_only"):
        return _page(request, farm, back, "", FORBIDDEN)
    fault = _fault(request, password)
    if fault == "too_many":
        return _page(request, farm, back, fault, TOO_MANY)
    known = clean_name(name)
    if fault or not known:
        return _page(request, farm, back, fault or "nameless", FORBIDDEN)
    access_of(request).begin(request.session, known)
    return RedirectResponse(back, AFTER_POST)


def _fault(request: Request, password: str) -> str:
    """What is wrong with a password, "" where it is right or none is asked for."""
    access = access_of(request)
    if access.password is None:
        return ""
    throttle = throttle_of(request)
    counted = ((OF_ONE, WRONG, network(request)), (OF_ALL, WRONG, EVERYBODY))
    if not throttle.has_room(*counted):
        log.warning("too many wrong passwords, the latest from %s", network(request))
        return "too_many"
    if access.is_password(password):
        return ""
    throttle.count(*counted)
    return "wrong"


@router.post("/logout", dependencies=[Depends(own_form)])
def log_out(request: Request) -> RedirectResponse:
    """End the session in this browser."""
    access_of(request).end(request.session)
    return RedirectResponse("/", AFTER_POST)


def local(address: str) -> str:
    """A page of ours to go on to; the morning's where it is none."""
    is_ours = address.startswith("/") and not address.startswith("//")
    if not is_ours or "\\" in address or not address.isprintable() or urlsplit(address).netloc:
        return "/"
    return address


def _page(
    request: Request, farm: SpokenFarm, back: str, fault: str, status: int = 200
) -> HTMLResponse:
    told = {"back": back, "fault": fault, "refresh": 0, "now": standing(request)}
    answer = page(request, farm, "login.html", status, **told)
    if status == TOO_MANY:
        answer.headers["Retry-After"] = str(OF_ONE.get_expiry())
    return answer
