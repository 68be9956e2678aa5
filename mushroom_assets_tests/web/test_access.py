"""Who may change something on the page: passwords, sessions, tokens, other sites, read-only."""

import re
from pathlib import Path

from fastapi.routing import APIRoute

from mushroom_assets.storage.connection import Database
from mushroom_assets.web import app as web_app
from mushroom_assets.web.access import COOKIE, Access
from mushroom_assets_tests.kit.web import Served, Text

PASSWORD = "垫料 & spawn"
GUARDED = Access(password=PASSWORD, is_loopback=False)


def served_by(folder: Path, database: Database, access: Access) -> Served:
    return Served(folder, database, access=access)


def changing() -> list[str]:
    """The path of every route that changes something."""
    return [
        route.path
        for router in web_app.CHANGING
        for route in router.routes
        if isinstance(route, APIRoute)
    ]


def refused(page: str) -> str:
    """Why a change was refused."""
    assert "<h1>Nothing was changed</h1>" in page
    return str(Text(page.split("</h1>", 1)[1].split("</section>")[0]))


def test_every_route_that_is_no_get_is_guarded(tmp_path: Path, database: Database) -> None:
    reading = [route for router in web_app.READING for route in router.routes]
    assert {method for route in reading for method in route.methods} == {"GET"}  # type: ignore[attr-defined]
    assert changing()
    served = served_by(tmp_path, database, GUARDED)
    for path in changing():
        told = refused(served.post(re.sub(r"{[^}]*}", "611", path), {}, 403))
        assert told.startswith("You are not logged in any more.")


def test_who_has_the_password_changes_something_under_their_name(
    tmp_path: Path, database: Database
) -> None:
    served = served_by(tmp_path, database, GUARDED)
    assert "Log in" in served.get("/")
    page = served.post("/login", {"name": " 李  Wei ", "password": PASSWORD, "next": "/labels"})
    assert "李 Wei" in str(Text(page))
    assert COOKIE in served.client.cookies
    served.post(
        "/labels", {"path": "x", "kind": "stage", "name": "primordia"}, 404
    )  # may, but no such
    served.post("/logout", {})
    served.post("/labels", {"path": "x", "kind": "stage", "name": "primordia"}, 403)
