"""The settings, read from the environment in this one place and never at import.

An unset one lives under `MUSHROOM_HOME`: the embedded database, the images and Dagster's home.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import FarmFileError, parse_farm, reference_farm_text
from mushroom_assets.logs import FORMATS, TEXT

UI_URL = "http://127.0.0.1:3000"  # where `mushroom up` serves the UI


class SettingsError(ValueError):
    """A setting is missing or cannot be used; the message says which and what to do."""


@dataclass(frozen=True)
class Settings:
    """Where everything is.

    `database_url` None means the embedded PostgreSQL in `postgres_dir`. `startup_error` is what
    `mushroom up` could not get right before it started the UI, a failed migration say: the code
    location shows it instead of loading.
    """

    home: Path
    database_url: str | None
    image_root: str
    config: Path | None
    clip_model: str | None
    clip_pretrained: str | None
    clip_device: str
    clip_precision: str
    clip_threads: int | None
    dagster_home: Path
    startup_error: str | None = None
    event_batch_size: str = "500"
    backfill_cursor_offset: str = "5000"
    notify: tuple[str, ...] = field(default=(), repr=False)  # apprise URLs, which hold secrets
    page_password: str | None = field(default=None, repr=False)  # for changes on the farm's page
    ui_url: str | None = None  # for links in notifications
    page_url: str | None = None  # of the farm's page, for links about rooms
    path_prefix: str = ""  # of the UI behind a proxy, "/farm"
    log_format: str = TEXT
    log_dir: Path | None = None  # where the lines of stdout are kept besides

    @property
    def postgres_dir(self) -> Path:
        """Data directory of the embedded PostgreSQL."""
        return self.home / "postgres"

    @property
    def demo_farm(self) -> Path:
        """The farm file of the demo, which `mushroom up` writes."""
        return demo_farm(self.home)

    @property
    def owns_image_root(self) -> bool:
        """Whether the images live under `MUSHROOM_HOME`.

        There a missing folder is made; it is no wrong setting.
        """
        return self.image_root == str(self.home / "images")

    @property
    def owns_dagster_home(self) -> bool:
        """Whether Dagster's home lives under `MUSHROOM_HOME`.

        Its `dagster.yaml` is ours to renew then.
        """
        return self.dagster_home == self.home / "dagster"

    def require_database_url(self) -> str:
        """The database's URI.

        Raises:
            SettingsError: none is set, and this process did not start the embedded database.
        """
        if self.database_url is None:
            raise SettingsError(
                "DATABASE_URL is not set. Remedy: start with `mushroom up`, which brings its own "
                "PostgreSQL, or set DATABASE_URL=postgresql://user:password@host:5432/database"
            )
        return self.database_url

    def farm_source(self) -> str:
        """What messages call the farm file."""
        return str(self.config) if self.config else "the packaged farm.yaml"

    def read_farm(self) -> Farm:
        """The farm file, read anew.

        Raises:
            FarmFileError: it is not there or has a mistake.
        """
        if self.config is None:
            return parse_farm(reference_farm_text(), source=self.farm_source())
        try:
            text = self.config.read_text(encoding="utf-8")
        except OSError as error:
            raise FarmFileError(
                f"the farm file {self.config} cannot be read: {error.strerror}. "
                "Remedy: point MUSHROOM_CONFIG at a farm file"
            ) from error
        except UnicodeDecodeError as error:
            raise FarmFileError(
                f"the farm file {self.config} is not UTF-8: {error}. Remedy: save it as UTF-8"
            ) from error
        return parse_farm(text, source=self.farm_source())

    def environment(self) -> dict[str, str]:
        """The settings as environment variables for the processes that this one starts."""
        named = {
            "MUSHROOM_HOME": str(self.home),
            "DATABASE_URL": self.database_url,
            "MUSHROOM_IMAGE_ROOT": self.image_root,
            "MUSHROOM_CONFIG": str(self.config) if self.config else None,
            "MUSHROOM_CLIP_MODEL": self.clip_model,
            "MUSHROOM_CLIP_PRETRAINED": self.clip_pretrained,
            "MUSHROOM_CLIP_DEVICE": self.clip_device,
            "MUSHROOM_CLIP_PRECISION": self.clip_precision,
            "MUSHROOM_CLIP_THREADS": str(self.clip_threads) if self.clip_threads else None,
            "DAGSTER_HOME": str(self.dagster_home),
            # Dagster reads it at every event: whoever creates a run (daemon, webserver, this
            # process), and the run.
            "DAGSTER_EVENT_BATCH_SIZE": self.event_batch_size,
            # The daemon reads it at every step of a backfill and looks back as many events: those
            # of a batch become visible together, at times after later ones.
            "ASSET_BACKFILL_CURSOR_OFFSET": self.backfill_cursor_offset,
            "MUSHROOM_NOTIFY": " ".join(self.notify) or None,
            "MUSHROOM_UI_URL": self.ui_url,
            "MUSHROOM_PAGE_URL": self.page_url,
            "MUSHROOM_PATH_PREFIX": self.path_prefix or None,
            "MUSHROOM_LOG_FORMAT": self.log_format,
            "MUSHROOM_LOG_DIR": str(self.log_dir) if self.log_dir else None,
            "MUSHROOM_STARTUP_ERROR": self.startup_error,
        }
        return {name: value for name, value in named.items() if value is not None}


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of `environ` (the process environment unless given).

    An empty variable counts as unset.
    """
    given = {
        name: value
        for name, value in (os.environ if environ is None else environ).items()
        if value.strip()
    }
    home = Path(given.get("MUSHROOM_HOME", ".mushroom")).expanduser().absolute()
    return Settings(
        home=home,
        database_url=_database_url(given),
        image_root=given.get("MUSHROOM_IMAGE_ROOT", str(home / "images")),
        config=_path(given, "MUSHROOM_CONFIG") or _if_there(demo_farm(home)),
        clip_model=given.get("MUSHROOM_CLIP_MODEL"),
        clip_pretrained=given.get("MUSHROOM_CLIP_PRETRAINED"),
        clip_device=given.get("MUSHROOM_CLIP_DEVICE", "auto"),
        clip_precision=given.get("MUSHROOM_CLIP_PRECISION", "auto"),
        clip_threads=_count(given, "MUSHROOM_CLIP_THREADS"),
        dagster_home=Path(given.get("DAGSTER_HOME", home / "dagster")).expanduser().absolute(),
        startup_error=given.get("MUSHROOM_STARTUP_ERROR"),
        event_batch_size=given.get("DAGSTER_EVENT_BATCH_SIZE", "500"),
        backfill_cursor_offset=given.get("ASSET_BACKFILL_CURSOR_OFFSET", "5000"),
        notify=_urls(given.get("MUSHROOM_NOTIFY", "")),
        page_password=_page_password(given),
        ui_url=given.get("MUSHROOM_UI_URL"),
        page_url=given.get("MUSHROOM_PAGE_URL"),
        path_prefix=path_prefix(given.get("MUSHROOM_PATH_PREFIX", "")),
        log_format=log_format(given),
        log_dir=_path(given, "MUSHROOM_LOG_DIR"),
    )


def log_format(environ: Mapping[str, str] | None = None) -> str:
    """MUSHROOM_LOG_FORMAT: `text` or `json`.

    Raises:
        SettingsError: it is something else.
    """
    given = (os.environ if environ is None else environ).get("MUSHROOM_LOG_FORMAT", "").strip()
    if given and given not in FORMATS:
        raise SettingsError(
            f"MUSHROOM_LOG_FORMAT={given} is unknown. Remedy: {' or '.join(FORMATS)}, or unset it"
        )
    return given or TEXT


def path_prefix(given: str) -> str:
    """A path before all paths of the UI: `/farm`, or nothing.

    Raises:
        SettingsError: it is no such path.
    """
    prefix = given.strip().rstrip("/")
    if prefix and not re.fullmatch(r"(/[\w.~-]+)+", prefix):
        raise SettingsError(f"the path prefix {given!r} is no path. Remedy: write it as /farm")
    return prefix


def _urls(text: str) -> tuple[str, ...]:
    """URLs separated by spaces or commas.

    A comma within a URL, between two addresses say, is the URL's own.
    """
    return tuple(url for url in re.split(r"[\s,]+(?=[\w+.-]+://)", text.strip(" ,\n\t")) if url)


def _path(given: Mapping[str, str], name: str) -> Path | None:
    return Path(given[name]).expanduser().absolute() if name in given else None


def demo_farm(home: Path) -> Path:
    """Where a home has the farm file of its demo."""
    return home / "demo-farm.yaml"


def _if_there(path: Path) -> Path | None:
    """The path, None where there is no such file; who may not see it is told by who reads it."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return path
    return path


def _count(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name, "").strip()
    if text and not re.fullmatch("[1-9][0-9]{0,3}", text):
        raise SettingsError(
            f"{name}={text} is no number of threads. Remedy: a whole number from 1, or unset it"
        )
    return int(text) if text else None


def _database_url(given: Mapping[str, str]) -> str | None:
    """`DATABASE_URL`, or one built from the POSTGRES_* parts that containers are given."""
    url = given.get("DATABASE_URL")
    if url:
        # libpq knows both schemes, Dagster's SQLAlchemy only one.
        return re.sub("^postgres://", "postgresql://", url)
    if "POSTGRES_HOST" not in given:
        return None
    host = given["POSTGRES_HOST"]
    port = given.get("POSTGRES_PORT", "5432")
    database = quote(given.get("POSTGRES_DB", "postgres"), safe="")
    login = quote(given.get("POSTGRES_USER", "postgres"), safe="")
    password = _password(given)
    if password:
        login += f":{quote(password, safe='')}"
    if host.startswith("/"):  # a unix socket's folder
        return f"postgresql://{login}@/{database}?host={quote(host)}&port={port}"
    return f"postgresql://{login}@{host}:{port}/{database}"


def _password(given: Mapping[str, str]) -> str:
    """The password of the parts, "" without one; that of a secret file wins."""
    return _secret(given, "POSTGRES_PASSWORD_FILE") or given.get("POSTGRES_PASSWORD", "")


def _page_password(given: Mapping[str, str]) -> str | None:
    """The password of the farm's page; that of a secret file wins."""
    if "MUSHROOM_PAGE_PASSWORD_FILE" not in given:
        return given.get("MUSHROOM_PAGE_PASSWORD")
    password = _secret(given, "MUSHROOM_PAGE_PASSWORD_FILE")
    if not password:  # whoever names a file wants a password: none would open the page
        raise SettingsError(
            f"MUSHROOM_PAGE_PASSWORD_FILE={given['MUSHROOM_PAGE_PASSWORD_FILE']} is empty. "
            "Remedy: write a password into it, or unset it"
        )
    return password


def _secret(given: Mapping[str, str], name: str) -> str:
    """What stands in the file that a setting names, "" where it names none."""
    secret = given.get(name)
    if not secret:
        return ""
    try:
        return Path(secret).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(
            f"{name}={secret} cannot be read: {told}. Remedy: mount the secret there"
        ) from error
