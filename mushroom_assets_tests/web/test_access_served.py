"""Who may change something, over HTTP: `mushroom web` in a process of its own."""

import http.client
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import pytest

from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.kit.page import page
from mushroom_assets_tests.kit.plant import write_farm

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
FARM = "timezone: Asia/Shanghai\nfirst_day: 2026-01-01\nrooms: {'611': {}}\n"
PASSWORD = "grow 菇"
SETTINGS = "/rooms/611/settings"
FORM = b"POST /labels HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"


@dataclass
class Phone:
    """A browser as far as forms go: it keeps a cookie and sends what stands in a form."""

    port: int
    host: str = ""
    cookie: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, str]:
        """Status and body, or where a redirect leads to."""
        asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        host = self.host or f"127.0.0.1:{self.port}"
        headers = {"Host": host, "Origin": f"http://{host}", "Cookie": self.cookie} | self.headers
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        asked.request(method, path, urlencode(form or {}), headers)
        answer = asked.getresponse()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            self.cookie = cookie.split(";")[0]
        body = answer.read().decode()
        asked.close()
        return answer.status, answer.headers.get("Location") or body

    def send(self, path: str, form: dict[str, str]) -> tuple[int, str]:
        """The answer to a form of the page."""
        _, body = self.ask("GET", "/login")
        token = re.search('name="csrf_token" type="hidden" value="([^"]*)"', body)
        return self.ask("POST", path, {"csrf_token": token[1] if token else ""} | form)

    def may(self) -> bool:
        """Whether it may change something: then what makes no sense is told so."""
        status, _ = self.send("/notes", {"room": "999", "text": "x", "at": "2026-01-02T00:00"})
        assert status in (403, 422)
        return status == 422


@pytest.fixture
def environment(tmp_path: Path, database: Database) -> dict[str, str]:
    farm = tmp_path / "farm.yaml"
    write_farm(farm, FARM)
    home = tmp_path / "home"
    return {
        "DATABASE_URL": database.url, "MUSHROOM_HOME": f"{home}", "MUSHROOM_CONFIG": f"{farm}"
    }  # fmt: skip


def test_on_its_own_machine_a_page_asks_for_no_password(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with page(environment, tmp_path) as served:
        assert Phone(served.port).may()
        assert not Phone(served.port, headers={"X-Forwarded-For": "10.0.0.9"}).may()
        assert not Phone(served.port, host="evil.example").may()
        assert not Phone(served.port, headers={"Origin": "http://evil.example"}).may()
        assert not Phone(served.port, headers={"Sec-Fetch-Site": "cross-site"}).may()
        one, other = Phone(served.port), Phone(served.port)
        one.send("/login", {"name": "Li"})
        assert other.ask("POST", "/notes", {"csrf_token": "", "room": "611"})[0] == 403


def test_other_machines_change_something_by_the_password_only_and_a_restart_logs_nobody_out(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with page(environment, tmp_path, "--host", "0.0.0.0") as served:
        assert not Phone(served.port).may()
        assert "MUSHROOM_PAGE_PASSWORD" in Phone(served.port).ask("GET", "/login")[1]
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\n", encoding="utf-8")
    environment |= {"MUSHROOM_PAGE_PASSWORD_FILE": f"{secret}"}
    with page(environment, tmp_path, "--host", "0.0.0.0") as served:
        phone = Phone(served.port)
        assert phone.send("/login", {"name": "Li", "password": "grow"})[0] == 403
        assert not phone.may()
        told = phone.send("/login", {"name": "Li", "password": PASSWORD, "next": SETTINGS})
        assert told == (303, SETTINGS)
        assert phone.may()
    with page(environment, tmp_path) as served:
        phone.port = served.port
        assert phone.may()
        phone.headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.0.0.9"}
        phone.host = "farm.example"
        assert phone.may()  # behind a proxy
    secret.write_text("another", encoding="utf-8")
    with page(environment, tmp_path, "--read-only") as served:
        phone = Phone(served.port, cookie=phone.cookie)
        assert phone.ask("GET", "/")[0] == 200
        assert not phone.may()
    assert PASSWORD not in served.log.read_text()


def test_odd_requests_are_answered_and_the_next_one_is_too(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with page(environment, tmp_path) as served:
        for asked in (
            b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /static/../app.py HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /static/%2e%2e/app.py HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /pictures/small//etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /pictures/small/file:///etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
            b"GET /?lang=%0d%0aSet-Cookie:%20x=y HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /rooms/%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /rooms/" + b"%41" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nCookie: mushroom_session=" + b"a" * 9000 + b"\r\n\r\n",
            FORM + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
            FORM + b"Content-Length: 20\r\n\r\n--x\r\nnothing of this",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
            b"GET / HTTP/9.9\r\n\r\n",
        ):
            with socket.create_connection(("127.0.0.1", served.port), timeout=60) as line:
                line.sendall(asked)
                answer = line.recv(65_536)
            status = int(answer.split()[1]) if answer else 400
            assert status < 500, asked[:80]
            assert b"root:" not in answer and b"x=y" not in answer.split(b"\r\n\r\n")[0]
        assert served.alive()
    log = served.log.read_text()
    assert "Traceback" not in log, log[-3000:]
