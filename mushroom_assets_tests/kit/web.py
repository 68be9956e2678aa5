"""The farm's page over a small farm, without a process: its clock is the test's."""

import datetime as dt
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.service.watching import Watching
from mushroom_assets.settings import load_settings
from mushroom_assets.storage.connection import Database
from mushroom_assets.web.access import TOKEN, Access
from mushroom_assets.web.app import build_app
from mushroom_assets.web.place import Place
from mushroom_assets_tests.kit.plant import put_samples, write_farm

FARM = """
timezone: Asia/Shanghai
first_day: 2026-01-01
rooms: {rooms}
"""
NOW = dt.datetime(2026, 1, 20, 0, 30, tzinfo=dt.UTC)  # 08:30 in Shanghai
YESTERDAY = dt.date(2026, 1, 19)
BATCH = dt.date(2026, 1, 10)  # growth day 11 is the 20th
STATUS = "mushroom_env_status"
APART = {"td", "th", "li", "span", "time", "small", "p"}  # no words of two of them are one
HERE = "http://127.0.0.1:3001"
LEVELS = {"temperature": 18.0, "humidity": 90.0, "co2": 2000.0}


class Served:
    """A farm's page and its database; `now` is what its clock says."""

    def __init__(
        self,
        folder: Path,
        database: Database,
        rooms: str = "{'607': {}, '611': {}}",
        access: Access | None = None,
    ):
        path = folder / "farm.yaml"
        write_farm(path, FARM.format(rooms=rooms))
        given = {
            "DATABASE_URL": database.url,
            "MUSHROOM_HOME": f"{folder}",
            "MUSHROOM_CONFIG": f"{path}",
        }
        self.now = NOW
        self.images = folder / "images"
        self.images.mkdir(exist_ok=True)
        self.database = database
        self.settings = load_settings(given)
        self.farm = parse_farm(path.read_text(encoding="utf-8"))
        self.place = Place(self.settings, lambda: self.now)
        shell = build_app(self.place, Watching(self.settings), access or Access())
        self.app: Any = shell.app
        # As a browser on the page's own machine
        self.client = TestClient(shell, HERE, client=("127.0.0.1", 50000))

    def get(self, path: str, status: int = 200, speaks: str = "") -> str:
        """The body of a page, which is of this status."""
        answer = self.client.get(path, headers={"Accept-Language": speaks})
        assert answer.status_code == status, answer.text
        return str(answer.text)

    def post(self, path: str, data: dict[str, Any], status: int = 200) -> str:
        """The body of the page that a form of the page leads to, which is of this status."""
        answer = self.send(path, data)
        assert answer.status_code == status, answer.text
        return str(answer.text)

    def where(self, path: str, data: dict[str, Any]) -> str:
        """Where a form of the page leads to."""
        answer = self.send(path, data, follow_redirects=False)
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])

    def send(self, path: str, data: dict[str, Any], **given: Any) -> Any:
        """The answer to a POST as a browser on the page sends it, with its token."""
        form = {TOKEN: self.token(), **data}
        return self.client.post(path, data=form, **{"headers": {"Origin": HERE}, **given})

    def token(self, path: str = "/login") -> str:
        """The token of a page's first form."""
        fields = Text(self.client.get(path).text).attributes("input", name=TOKEN)
        return str(fields[0]["value"])

    def put_minutes(
        self, room: str, minutes: int = 70, until: dt.datetime | None = None, **levels: float
    ) -> None:
        """A sample a minute of each quantity until now, at a level that moves a little."""
        end = until or self.now
        rows = []
        for name, level in (LEVELS | levels).items():
            for ago in range(minutes):
                at = end - dt.timedelta(minutes=ago)
                value = level + (ago % 2) * level / 1000
                rows.append((room, STATUS, f"sensor_{room}", name, at, value))
        put_samples(self.database, rows)

    def forget(self) -> None:
        """What was looked at before is looked at anew."""
        self.place.reader.forget()


class Text(HTMLParser):
    """The words of a page as a reader has them: no tags, blanks as one."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self._words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in APART:
            self._words.append(" ")

    def handle_data(self, data: str) -> None:
        self._words.append(data)

    def __str__(self) -> str:
        return " ".join("".join(self._words).split())

    def attributes(self, tag: str, **wanted: str) -> list[dict[str, Any]]:
        """The attributes of each tag of a kind that has some."""
        return [
            found for name, found in self.tags if name == tag and wanted.items() <= found.items()
        ]
