"""Who may change something on the page: passwords, sessions, tokens, other sites, read-only."""

import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import itsdangerous.timed
import pytest
from fastapi.routing import APIRoute

from mushroom_assets.domain.farm_file import FarmFileError
from mushroom_assets.storage.connection import Database
from mushroom_assets.web import app as web_app
from mushroom_assets.web.access import COOKIE, SESSION_S, TOKEN, Access
from mushroom_assets.web.shell import BOUND, MOST_BYTES
from mushroom_assets_tests.kit.web import HERE, Served, Text

PASSWORD = "垫料 & spawn"
GUARDED = {"password": PASSWORD, "is_loopback": False}
LABEL = {"path": "x", "kind": "stage", "name": "primordia"}  # of no picture: 404 to who may
MAY = 404
LOGIN = {"name": "Li", "password": PASSWORD}


def served_by(folder: Path, database: Database, **access: Any) -> Served:
    return Served(folder, database, access=Access(**access))


@pytest.fixture
def served(tmp_path: Path, database: Database) -> Served:
    """A page with a password, reached from elsewhere."""
    return served_by(tmp_path, database, **GUARDED)


@pytest.fixture
def own(tmp_path: Path, database: Database) -> Served:
    """A page without a password on its own machine."""
    return served_by(tmp_path, database)


def changing() -> list[str]:
    """The path of every route that changes something."""
    return [
        re.sub(r"{[^}]*}", "611", route.path)
        for router in web_app.CHANGING
        for route in router.routes
        if isinstance(route, APIRoute)
    ]


def why(page: str) -> str:
    """Why a change was refused."""
    assert "<h1>Nothing was changed</h1>" in page
    return str(Text(page.split("</h1>", 1)[1].split("</section>")[0]))


def methods(router: Any) -> set[str]:
    return {method for route in router.routes for method in route.methods}


def test_every_route_that_is_no_get_is_guarded(served: Served) -> None:
    assert set().union(*map(methods, web_app.READING)) == {"GET"}
    assert set().union(*map(methods, web_app.CHANGING)) == {"POST"}
    others = {
        (route.path, method)
        for route in served.app.routes
        for method in getattr(route, "methods", None) or ()
        if method not in ("GET", "HEAD")
    }
    assert others <= {(path, "POST") for path in ("/login", "/logout")} | {
        (route.path, "POST")  # type: ignore[attr-defined]
        for router in web_app.CHANGING
        for route in router.routes
    }
    assert len(changing()) >= 8
    for path in changing():
        assert why(served.post(path, {}, 403)).startswith("You are not logged in any more.")


def test_who_has_the_password_changes_something_under_their_name(served: Served) -> None:
    assert 'href="/login?next=%2F"' in served.get("/")
    assert "Log in to change something here" in served.get("/rooms/611")
    assert 'method="post"' not in served.get("/rooms/611")
    page = served.post("/login", LOGIN | {"name": " 李  Wei\u202e ", "next": "/labels"})
    assert "李 Wei" in str(Text(page))
    note = {"room": "611", "text": "fan", "at": "2026-01-19T10:00", "author": "somebody else"}
    assert "fan 李 Wei" in str(Text(served.post("/notes", note | {"day": "2026-01-19"})))
    served.post("/logout", {})
    served.post("/labels", LABEL, 403)


@pytest.mark.parametrize("wrong", ["", "spawn", PASSWORD + " ", PASSWORD.upper(), "x" * 1000])
def test_a_wrong_password_opens_nothing(wrong: str, served: Served) -> None:
    page = served.post("/login", LOGIN | {"password": wrong}, 403)
    assert "The password is not right." in page
    served.post("/labels", LABEL, 403)


def test_nobody_guesses_faster_than_five_a_minute(served: Served) -> None:
    for _ in range(5):
        served.post("/login", LOGIN | {"password": "guess"}, 403)
    answer = served.send("/login", LOGIN)  # the right one too: else an answer would tell it
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    served.post("/labels", LABEL, 403)


def test_right_passwords_are_not_counted(served: Served) -> None:
    for _ in range(8):
        served.post("/login", LOGIN)
        served.post("/logout", {})


def test_a_session_before_the_login_is_worth_nothing_after_it(served: Served) -> None:
    token = served.token()
    before = served.client.cookies[COOKIE]
    served.post("/login", LOGIN)
    after = served.client.cookies[COOKIE]
    assert served.send("/labels", LABEL | {TOKEN: token}).status_code == 403  # of another session
    served.client.cookies.set(COOKIE, before, domain="127.0.0.1", path="/")
    served.post("/labels", LABEL, 403)
    assert before != after


def test_a_copy_of_a_session_ends_with_it(served: Served) -> None:
    served.post("/login", LOGIN)
    copy = served.client.cookies[COOKIE]
    served.post("/labels", LABEL, MAY)
    served.post("/logout", {})
    assert COOKIE not in served.client.cookies
    served.client.cookies.set(COOKIE, copy, domain="127.0.0.1", path="/")
    served.post("/labels", LABEL, 403)


def test_a_session_ends_after_a_week_and_with_another_password(
    served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database: Database
) -> None:
    served.post("/login", LOGIN)
    for later, status in ((SESSION_S - 60, MAY), (SESSION_S + 60, 403)):
        clock = SimpleNamespace(time=lambda later=later: time.time() + later)
        with monkeypatch.context() as patch:
            answer = served.client.cookies[COOKIE]
            patch.setattr(itsdangerous.timed, "time", clock)
            served.post("/labels", LABEL, status)
            served.client.cookies.set(COOKIE, answer, domain="127.0.0.1", path="/")
    served.post("/labels", LABEL, MAY)
    from mushroom_assets.web.access import session_key

    keys = {session_key(tmp_path / "home", password) for password in (None, "a", "b", "a")}
    assert len(keys) == 3
    assert (tmp_path / "home" / "page.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("forged", ["", "null", "e30=.x.y", "x" * 5000, "bnVsbA==.aaaaaa.bbbb"])
def test_a_forged_session_is_none(forged: str, served: Served) -> None:
    served.client.cookies.set(COOKIE, forged, domain="127.0.0.1", path="/")
    assert "Log in" in served.get("/")
    answer = served.client.post("/labels", data={TOKEN: "x", **LABEL}, headers={"Origin": HERE})
    assert answer.status_code == 403


@pytest.mark.parametrize("token", ["", "##", "##" + "0" * 40, "x", "\u202e", "##'; DROP TABLE"])
@pytest.mark.parametrize("access", [GUARDED, {}])
def test_a_form_without_its_token_changes_nothing(
    token: str, access: dict[str, Any], tmp_path: Path, database: Database
) -> None:
    served = served_by(tmp_path, database, **access)
    served.post("/login", LOGIN)
    for path in (*changing(), "/logout"):
        assert "This form is too old." in why(served.post(path, LABEL | {TOKEN: token}, 403))
    served.post("/login", LOGIN | {TOKEN: token}, 403)
    other = served_by(tmp_path, database, **access)
    served.post("/labels", LABEL | {TOKEN: other.token()}, 403)


CROSS_SITE = [
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": HERE, "Sec-Fetch-Site": "same-site"},  # a neighbour on another port
    {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
]


@pytest.mark.parametrize("headers", CROSS_SITE)
@pytest.mark.parametrize("access", [GUARDED, {}])
def test_another_site_changes_nothing(
    headers: dict[str, str], access: dict[str, Any], tmp_path: Path, database: Database
) -> None:
    served = served_by(tmp_path, database, **access)
    served.post("/login", LOGIN)
    served.post("/labels", LABEL, MAY)
    for path in (*changing(), "/login", "/logout"):
        answer = served.send(path, LABEL, headers=headers)
        assert (answer.status_code, "another site" in answer.text) == (403, True)


@pytest.mark.parametrize(
    "headers",
    [
        {},  # no browser sends a form without
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:3002"},
        {"Origin": "https://127.0.0.1:3001"},
        {"Origin": f"{HERE}.evil.example"},
    ],
)
def test_without_a_password_the_origin_must_be_the_page_s_own(
    headers: dict[str, str], own: Served
) -> None:
    assert "another site" in why(own.send("/labels", LABEL, headers=headers).text)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "192.168.1.5:3001",
     "0.0.0.0:3001", "127.0.0.1@evil.example", "", "[::2]:3001", "evil.example:3001#127.0.0.1"],
)  # fmt: skip
def test_without_a_password_a_name_of_elsewhere_changes_nothing(host: str, own: Served) -> None:
    """A site may make its own name lead to this machine (DNS rebinding)."""
    headers = {"Host": host, "Origin": f"http://{host}"}
    told = own.send("/labels", LABEL, headers=headers)
    assert (told.status_code, "MUSHROOM_PAGE_PASSWORD" in told.text) == (403, True)


@pytest.mark.parametrize("host", ["localhost:3001", "LOCALHOST.", "127.0.0.9", "[::1]:3001"])
def test_names_of_this_machine_are_its_own(host: str, own: Served) -> None:
    assert 'method="post"' in own.client.get("/rooms/611", headers={"Host": host}).text
    elsewhere = own.client.get("/rooms/611", headers={"Host": "evil.example"}).text
    assert 'method="post"' not in elsewhere


@pytest.mark.parametrize(
    "name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Host"]
)
def test_a_proxy_on_the_same_machine_needs_a_password(name: str, own: Served) -> None:
    headers = {"Origin": HERE, name: "127.0.0.1"}
    assert "MUSHROOM_PAGE_PASSWORD" in why(own.send("/labels", LABEL, headers=headers).text)


def test_without_a_password_nobody_elsewhere_changes_anything(
    tmp_path: Path, database: Database
) -> None:
    served = served_by(tmp_path, database, is_loopback=False)
    assert "whoever runs this farm sets MUSHROOM_PAGE_PASSWORD" in served.get("/rooms/611")
    assert "MUSHROOM_PAGE_PASSWORD" in served.get("/login")
    served.client.get("/rooms/611")
    for path in changing():
        answer = served.client.post(path, data=LABEL, headers={"Origin": HERE})
        assert "MUSHROOM_PAGE_PASSWORD" in why(answer.text)
    assert served.client.post("/login", data=LOGIN, headers={"Origin": HERE}).status_code == 403


@pytest.mark.parametrize("password", [None, PASSWORD])
def test_read_only_nothing_is_changed_and_no_form_shown(
    password: str | None, tmp_path: Path, database: Database
) -> None:
    served = served_by(tmp_path, database, password=password, is_read_only=True)
    for page in ("/", "/rooms/611", "/rooms/611?span=cycle", "/labels", "/rooms/611/settings",
                 "/rooms/611/settings?part=history", "/login"):  # fmt: skip
        assert 'method="post"' not in served.get(page)
    for path in changing():
        answer = served.client.post(path, data=LABEL, headers={"Origin": HERE})
        assert why(answer.text) == "This page is for reading only."
    assert served.client.post("/login", data=LOGIN, headers={"Origin": HERE}).status_code == 403


def test_every_answer_binds_the_browser(served: Served) -> None:
    picture = "/pictures/small/611/x.jpg"
    for path in ("/", "/rooms/611", "/rooms/611/settings", "/labels", "/login", "/export",
                 "/healthz", "/readyz", "/metrics", "/nothing", "/static/nothing", picture,
                 re.findall(r'href="(/static/[^"]*)"', served.get("/"))[0]):  # fmt: skip
        for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"):
            headers = served.client.request(method, path).headers
            assert {name: headers.get(name) for name in BOUND} == BOUND, (method, path)
    assert "unsafe" not in BOUND["Content-Security-Policy"]
    for path in changing():
        headers = served.send(path, {}).headers
        assert {name: headers[name] for name in BOUND} == BOUND


def test_an_unforeseen_fault_binds_the_browser_too(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.place, "farm", lambda: 1 / 0)
    served.client._transport.raise_server_exceptions = False  # type: ignore[attr-defined]
    answer = served.client.get("/")
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert {name: answer.headers[name] for name in BOUND} == BOUND


def test_a_farm_file_with_a_mistake_is_told_by_every_page(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken() -> None:
        raise FarmFileError("line 3 is none. Remedy: mend it")

    monkeypatch.setattr(served.place, "farm", mistaken)
    for path in ("/", "/rooms/611", "/nothing", "/login", "/rooms/611?day=x"):
        assert served.get(path, 503) == "line 3 is none. Remedy: mend it"


def test_no_page_has_a_script_or_a_style_of_its_own(served: Served) -> None:
    served.post("/login", LOGIN)
    for path in ("/", "/rooms/611", "/rooms/611?span=cycle", "/rooms/611/settings", "/labels"):
        page = Text(served.get(path))
        for tag, attributes in page.tags:
            assert tag != "style"
            assert tag != "script" or "src" in attributes
            assert not [name for name in attributes if name == "style" or name.startswith("on")]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "GET"])
def test_a_change_is_a_post_and_nothing_else(method: str, served: Served) -> None:
    served.post("/login", LOGIN)
    override = {"Origin": HERE, "X-HTTP-Method-Override": "POST", "X-Method": "POST"}
    for path in (*changing(), "/logout"):
        if (method == "GET" and path.endswith("/settings")) or (method, path) == ("GET", "/labels"):
            continue
        answer = served.client.request(method, path, headers=override)
        assert answer.status_code in (404, 405), (method, path)
    served.post("/labels", LABEL, MAY)  # is logged in still


@pytest.mark.parametrize(
    "address",
    ["//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example",
     "/\t/evil.example", "javascript:alert(1)", " //evil.example", "/\r\nSet-Cookie: x=y",
     "evil.example", "", "///evil.example", "/%0d%0aSet-Cookie:%20x=y", "/" + "x" * 10_000],
)  # fmt: skip
def test_after_the_login_nobody_is_led_elsewhere(address: str, served: Served) -> None:
    answer = served.send("/login", LOGIN | {"next": address}, follow_redirects=False)
    assert answer.status_code == 303
    led = answer.headers["location"]
    assert led == "/" or (led.startswith(("/%0d", "/xxx")) and "\r" not in led)
    assert "x=y" not in str(answer.headers.get_list("set-cookie"))


def test_the_cookie_is_kept_from_scripts_and_other_sites(served: Served) -> None:
    cookie = served.send("/login", LOGIN, follow_redirects=False).headers["set-cookie"]
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert parts == {"path=/", f"max-age={SESSION_S}", "httponly", "samesite=lax"}
    served.client.base_url = HERE.replace("http:", "https:")
    answer = served.client.get("/login?lang=zh")
    cookies = answer.headers.get_list("set-cookie")
    assert cookies and all(one.endswith("; Secure") for one in cookies)


@pytest.mark.parametrize("length", [MOST_BYTES + 1, 10 * MOST_BYTES])
@pytest.mark.parametrize("is_told", [True, False])
def test_a_body_without_end_is_refused(length: int, is_told: bool, served: Served) -> None:
    served.post("/login", LOGIN)

    def pieces() -> Any:
        yield f"{TOKEN}=".encode()
        for _ in range(length // 1024):
            yield b"x" * 1024

    headers = {"Origin": HERE, "Content-Type": "application/x-www-form-urlencoded"}
    content: Any = b"".join(pieces()) if is_told else pieces()
    answer = served.client.post("/labels", content=content, headers=headers)
    assert (answer.status_code, "That is too much at once." in answer.text) == (413, True)
    served.post("/labels", LABEL | {"name": "x" * 100_000}, MAY)


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "\xb2", "9" * 5000])
def test_a_length_that_is_none_is_refused(length: str, served: Served) -> None:
    headers: Any = {"Origin": HERE, "Content-Type": "application/x-www-form-urlencoded"}
    headers["Content-Length"] = length.encode("latin-1")
    answer = served.client.post("/labels", content=b"x=y", headers=headers)
    assert answer.status_code == 413
