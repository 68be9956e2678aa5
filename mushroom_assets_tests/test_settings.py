"""The settings: one place, one home for all that is unset, a remedy for what cannot be used."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from mushroom_assets.domain.farm_file import FarmFileError
from mushroom_assets.settings import SettingsError, load_settings


def test_what_is_unset_lives_under_mushroom_home(tmp_path: Path) -> None:
    settings = load_settings({"MUSHROOM_HOME": str(tmp_path / "m")})
    assert settings.home == tmp_path / "m"
    assert settings.postgres_dir == tmp_path / "m" / "postgres"
    assert settings.image_root == str(tmp_path / "m" / "images")
    assert settings.dagster_home == tmp_path / "m" / "dagster"
    assert (settings.owns_image_root, settings.owns_dagster_home) == (True, True)
    assert (settings.database_url, settings.config, settings.startup_error) == (None, None, None)
    assert (settings.clip_model, settings.clip_pretrained, settings.clip_device) == (
        None,
        None,
        "auto",
    )


def test_without_any_setting_home_is_a_folder_of_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings({}).home == tmp_path / ".mushroom"
    assert load_settings({"MUSHROOM_HOME": "plant"}).home == tmp_path / "plant"
    assert load_settings({"MUSHROOM_HOME": "~/plant"}).home == Path.home() / "plant"


def test_a_path_prefix_is_a_path() -> None:
    assert load_settings({"MUSHROOM_PATH_PREFIX": "/farm/north/"}).path_prefix == "/farm/north"
    for wrong in ("farm", "/farm?x", "/a b", "/a//b"):
        with pytest.raises(SettingsError, match="Remedy: write it as /farm"):
            load_settings({"MUSHROOM_PATH_PREFIX": wrong})


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    home = {"MUSHROOM_HOME": str(tmp_path)}
    names = [
        "DATABASE_URL", "MUSHROOM_IMAGE_ROOT", "MUSHROOM_CONFIG",
        "MUSHROOM_CLIP_MODEL", "MUSHROOM_CLIP_PRETRAINED",
        "MUSHROOM_CLIP_DEVICE", "MUSHROOM_CLIP_PRECISION", "MUSHROOM_CLIP_THREADS",
        "DAGSTER_HOME", "MUSHROOM_STARTUP_ERROR", "POSTGRES_HOST", "POSTGRES_PASSWORD_FILE",
        "MUSHROOM_NOTIFY", "MUSHROOM_UI_URL", "MUSHROOM_PAGE_URL",
    ]  # fmt: skip
    for empty in ("", " "):
        assert load_settings(home | dict.fromkeys(names, empty)) == load_settings(home)


def test_the_process_environment_is_read_when_asked_and_not_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for url in ("postgresql://a@b/c", "postgresql://d@e/f"):
        monkeypatch.setenv("DATABASE_URL", url)
        assert load_settings().database_url == url


PARTS = {"POSTGRES_HOST": "db", "POSTGRES_USER": "grower", "POSTGRES_DB": "farm"}


def parameters(url: str | None) -> Mapping[str, object]:
    """A URI as libpq reads it."""
    assert url is not None
    return conninfo_to_dict(url)


@pytest.mark.parametrize("password", ["plain", "p@ss:w/ord?#[]%41&+ =", "蘑菇", "a'b\"c\\d"])
def test_a_url_is_built_from_parts_whatever_the_password_is_made_of(password: str) -> None:
    given = PARTS | {"POSTGRES_PORT": "5433", "POSTGRES_PASSWORD": password}
    assert parameters(load_settings(given).database_url) == {
        "host": "db", "port": "5433", "user": "grower", "password": password, "dbname": "farm"
    }  # fmt: skip


def test_parts_that_are_left_out_have_the_defaults_of_postgresql_s_own_image() -> None:
    assert parameters(load_settings({"POSTGRES_HOST": "db"}).database_url) == {
        "host": "db", "port": "5432", "user": "postgres", "dbname": "postgres"
    }  # fmt: skip
    assert load_settings({"POSTGRES_PASSWORD": "lonely"}).database_url is None


def test_a_user_and_a_database_with_special_characters_arrive_too() -> None:
    url = load_settings(
        PARTS | {"POSTGRES_USER": "head@grower", "POSTGRES_DB": "farm/2 ?"}
    ).database_url
    assert (parameters(url)["user"], parameters(url)["dbname"]) == ("head@grower", "farm/2 ?")


def test_a_secret_file_gives_the_password_without_its_line_end_and_wins(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("p@ss/word\n", encoding="utf-8")
    given = PARTS | {"POSTGRES_PASSWORD": "another", "POSTGRES_PASSWORD_FILE": str(secret)}
    assert parameters(load_settings(given).database_url)["password"] == "p@ss/word"


def test_a_missing_secret_file_is_told_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError,
        match=r"POSTGRES_PASSWORD_FILE=.*nowhere cannot be read.*Remedy: mount the secret",
    ):
        load_settings(PARTS | {"POSTGRES_PASSWORD_FILE": str(tmp_path / "nowhere")})


def test_the_password_of_the_page_comes_from_its_file_or_the_variable(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    given = {"MUSHROOM_PAGE_PASSWORD": "typed"}
    assert load_settings({}).page_password is None
    assert load_settings(given).page_password == "typed"
    secret.write_text("kept 密\n", encoding="utf-8")
    settings = load_settings(given | {"MUSHROOM_PAGE_PASSWORD_FILE": str(secret)})
    assert settings.page_password == "kept 密"
    assert "kept" not in repr(settings)
    assert "kept 密" not in settings.environment().values()  # runs need not know it


@pytest.mark.parametrize("content", [b" \n", b"\xff\xfe", None])
def test_a_file_without_a_password_for_the_page_opens_nothing(
    content: bytes | None, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)
    with pytest.raises(SettingsError, match=f"MUSHROOM_PAGE_PASSWORD_FILE={secret} .*Remedy: "):
        load_settings({"MUSHROOM_PAGE_PASSWORD_FILE": str(secret)})


def test_database_url_wins_over_the_parts() -> None:
    assert (
        load_settings(PARTS | {"DATABASE_URL": "postgresql://x@y/z"}).database_url
        == "postgresql://x@y/z"
    )


def test_a_database_that_is_not_set_is_told_with_both_remedies() -> None:
    with pytest.raises(
        SettingsError, match=r"DATABASE_URL is not set. Remedy: start with `mushroom up`.*or set"
    ):
        load_settings({}).require_database_url()


def test_the_settings_survive_the_way_through_the_environment_of_a_child(tmp_path: Path) -> None:
    given = {
        "POSTGRES_PASSWORD": "p@ss",
        "MUSHROOM_HOME": str(tmp_path),
        "MUSHROOM_IMAGE_ROOT": "s3://images/farm",
        "MUSHROOM_CONFIG": str(tmp_path / "farm.yaml"),
        "MUSHROOM_CLIP_MODEL": "ViT-B-32",
        "MUSHROOM_CLIP_PRETRAINED": "openai",
        "MUSHROOM_CLIP_DEVICE": "cpu",
        "MUSHROOM_CLIP_PRECISION": "bf16",
        "MUSHROOM_CLIP_THREADS": "3",
        "MUSHROOM_STARTUP_ERROR": "no tables",
        "DAGSTER_EVENT_BATCH_SIZE": "100",
        "ASSET_BACKFILL_CURSOR_OFFSET": "1000",
        "MUSHROOM_NOTIFY": "json://a mailto://u:p@b.c",
        "MUSHROOM_UI_URL": "https://farm.example.com",
        "MUSHROOM_PAGE_URL": "https://page.example.com",
    }
    settings = load_settings(PARTS | given)
    assert not settings.owns_image_root
    assert load_settings(settings.environment()) == settings


@pytest.mark.parametrize("threads", ["0", "-1", "two", "1.5"])
def test_a_number_of_threads_that_is_none_is_told(threads: str) -> None:
    with pytest.raises(
        SettingsError, match=f"MUSHROOM_CLIP_THREADS={threads} is no number of threads"
    ):
        load_settings({"MUSHROOM_CLIP_THREADS": threads})
    assert load_settings({"MUSHROOM_CLIP_THREADS": "2"}).clip_threads == 2


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("json://host/path", ["json://host/path"]),
        ("json://a/b, slack://c/d/e  mailtos://f", ["json://a/b", "slack://c/d/e", "mailtos://f"]),
        ("mailto://u:p@h?to=a@b.c,d@e.f,json://g", ["mailto://u:p@h?to=a@b.c,d@e.f", "json://g"]),
        (" ,\n", []),
    ],
)
def test_those_to_notify_are_separated_by_spaces_or_commas(text: str, urls: list[str]) -> None:
    assert list(load_settings({"MUSHROOM_NOTIFY": text}).notify) == urls


def test_the_secrets_of_those_to_notify_are_not_printed() -> None:
    assert "token" not in repr(load_settings({"MUSHROOM_NOTIFY": "json://host/token"}))


def test_the_packaged_farm_file_is_read_unless_another_is_set(tmp_path: Path) -> None:
    assert list(load_settings({}).read_farm().rooms) == ["607", "608", "611", "612"]
    own = tmp_path / "farm.yaml"
    own.write_text(
        'timezone: Europe/Berlin\nfirst_day: 2026-02-03\nrooms: {"1": {}}\n', encoding="utf-8"
    )
    farm = load_settings({"MUSHROOM_CONFIG": str(own)}).read_farm()
    assert (farm.timezone, farm.first_day.isoformat(), list(farm.rooms)) == (
        "Europe/Berlin",
        "2026-02-03",
        ["1"],
    )


def test_the_demo_of_a_home_has_a_farm_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "demo-farm.yaml"
    own = tmp_path / "own.yaml"
    home = {"MUSHROOM_HOME": str(tmp_path)}
    assert load_settings(home).config is None
    assert load_settings(home).farm_source() == "the packaged farm.yaml"
    path.write_text("timezone: Asia/Dubai\nfirst_day: 2026-11-14\nrooms: {'1': {}}\n")
    assert load_settings(home).config == path
    assert load_settings(home).farm_source() == str(path)
    assert load_settings(home).read_farm().timezone == "Asia/Dubai"
    assert load_settings(home | {"MUSHROOM_CONFIG": str(own)}).config == own


def test_a_demo_farm_file_that_cannot_be_seen_is_told_when_it_is_read(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)  # in place of a folder without permission, which root does not know
    settings = load_settings({"MUSHROOM_HOME": str(loop)})
    with pytest.raises(FarmFileError, match=r"demo-farm\.yaml cannot be read: Too many"):
        settings.read_farm()


def test_a_farm_file_that_is_not_there_is_told_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(
        FarmFileError,
        match=r"farm file .*gone.yaml cannot be read: No such file.*Remedy: point MUSHROOM_CONFIG",
    ):
        load_settings({"MUSHROOM_CONFIG": str(tmp_path / "gone.yaml")}).read_farm()


def test_a_farm_file_that_is_not_utf_8_is_told_with_its_remedy(tmp_path: Path) -> None:
    path = tmp_path / "farm.yaml"
    path.write_bytes("rooms: {库房: {}}".encode("gb18030"))
    settings = load_settings({"MUSHROOM_CONFIG": str(path)})
    with pytest.raises(FarmFileError, match=r"farm\.yaml is not UTF-8: .*Remedy: save it as UTF-8"):
        settings.read_farm()
