"""The sources' pages show when data last came, and a room whose feed stops is a warning."""

import datetime as dt
import socket
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mushroom_assets.checks import feeds
from mushroom_assets.faults.database import DatabaseUnavailable
from mushroom_assets.resources import FarmFile, ImageStore, PostgresResource
from mushroom_assets_tests.kit.plant import write_farm
from mushroom_assets_tests.kit.runs import failure, failures, run_job
from mushroom_assets_tests.kit.small import Build, SmallFarm

DAY = "2026-03-10"
NOW = dt.datetime(2026, 3, 10, 4, 10, tzinfo=dt.UTC)  # 12:10 of the farm
MINUTE = dt.timedelta(minutes=1)
SAMPLE = dg.AssetKey("sample")
IMAGES = dg.AssetKey("room_images")
WARN = dg.AssetCheckSeverity.WARN
COLUMNS = ("room", "last hour", "today", "last 24 h", "newest", "age in min")


@pytest.fixture(autouse=True)
def ten_past_twelve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "clock", lambda: NOW)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    root = tmp_path / "images"
    root.mkdir()
    return root


def put_image(
    root: Path, room: str, stamp: str, name: str = "{room}_cam_20260301_{stamp}.jpg"
) -> None:
    """An image of a time as YYYYMMDDHHMMSS."""
    folder = root / room / stamp[:8]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name.format(room=room, stamp=stamp)).touch()


def look(small: SmallFarm, images: Path, **doors: Any) -> dg.ExecuteInProcessResult:
    """A run of the job, as its schedule launches it."""
    given = {
        "postgres": PostgresResource(url=small.database.url, connect_attempts=1),
        "image_store": ImageStore(root=str(images)),
        "farm_file": FarmFile(path=str(small.path)),
    }
    return run_job("feeds_job", small.farm, given | doors, small.instance, raise_on_error=False)


def evaluations(result: dg.ExecuteInProcessResult) -> dict[dg.AssetKey, dg.AssetCheckEvaluation]:
    return {each.asset_key: each for each in result.get_asset_check_evaluations()}


def observation(small: SmallFarm, asset: dg.AssetKey) -> dict[str, Any]:
    """Metadata of the only observation that Dagster has stored; a table as rows."""
    (record,) = small.instance.fetch_observations(asset, limit=10).records
    assert record.asset_observation is not None
    found = {name: each.value for name, each in record.asset_observation.metadata.items()}
    table = record.asset_observation.metadata["rooms"]
    assert isinstance(table, dg.TableMetadataValue)
    assert tuple(column.name for column in table.schema.columns) == COLUMNS
    found["rooms"] = [tuple(row.data[name] for name in COLUMNS) for row in table.records]
    return found


def every_minute(small: SmallFarm, room: str, first: float, last: float) -> None:
    """Samples from one hour of the farm's day to another, both included."""
    steps = range(round((last - first) * 60) + 1)
    start = small.at(DAY, first)
    small.put([(room, "t", start + step * MINUTE, 18.0) for step in steps])


def test_each_room_is_observed_and_one_that_stopped_20_minutes_ago_is_named(
    small: SmallFarm, images: Path
) -> None:
    every_minute(small, "A", 10, 12 + 10 / 60)
    every_minute(small, "B", 11, 11 + 50 / 60)
    small.put([
        ("A", "set", small.at(DAY, 12), 17.0),
        ("A", "t", small.at(DAY, 13), 18.0),  # of the future
        ("A", "t", NOW - dt.timedelta(hours=24), 18.0),  # not within them
        ("A", "t", NOW - dt.timedelta(hours=23), 18.0),
    ])  # fmt: skip
    result = look(small, images)
    assert failures(result) == []
    # A: 60 + 1 of the last hour, 131 + 1 since midnight; B from 11:11 to 11:50, and from 11:00
    assert observation(small, SAMPLE) == {
        "rows_last_hour": 61 + 40,
        "oldest_age_min": 20,
        "rooms": [
            ("A", 61, 132, 133, "2026-03-10 12:10", 0),
            ("B", 40, 51, 51, "2026-03-10 11:50", 20),
        ],
    }
    found = evaluations(result)[SAMPLE]
    assert (found.passed, found.severity) == (False, WARN)
    assert found.description is not None
    assert found.description.startswith(
        "no new samples: B since 2026-03-10 11:50. Remedy: look at the rooms themselves first"
    )
    assert {name: each.value for name, each in found.metadata.items()} == {
        "stopped": 1,
        "silent": 0,
    }


@pytest.mark.parametrize(
    ("age", "passed", "told"),
    [
        (dt.timedelta(minutes=15), True, "holds"),
        (dt.timedelta(minutes=16), False, "no new samples: B since 2026-03-10 11:54. Remedy: "),
        (dt.timedelta(days=7), False, "no new samples: B since 2026-03-03 12:10. Remedy: "),
        (
            dt.timedelta(days=8),
            True,
            "without a feed for 7 days, as an empty room or one without sensors or cameras is: "
            "B (last: 2026-03-02 12:10)",
        ),
    ],
)
def test_a_room_is_waited_for_a_week(
    small: SmallFarm, images: Path, age: dt.timedelta, passed: bool, told: str
) -> None:
    small.put([("A", "t", NOW, 18.0), ("B", "t", NOW - age, 18.0)])
    found = evaluations(look(small, images))[SAMPLE]
    assert found.passed is passed
    assert str(found.description).startswith(told)
    shown = observation(small, SAMPLE)
    waited = age <= dt.timedelta(days=7)
    assert shown["oldest_age_min"] == (age // MINUTE if waited else 0)
    assert [row[-1] for row in shown["rooms"]] == [0, age // MINUTE]


def test_a_farm_without_any_feed_is_told_and_warns_of_nothing(
    small: SmallFarm, images: Path
) -> None:
    result = look(small, images)
    none = {"A": "never", "B": "over 7 days ago, if ever"}
    for asset, newest in ((SAMPLE, none["A"]), (IMAGES, none["B"])):
        found = evaluations(result)[asset]
        assert found.passed
        assert str(found.description).endswith(f"is: A (last: {newest}), B (last: {newest})")
        assert observation(small, asset) == {
            "rows_last_hour": 0,
            "rooms": [("A", 0, 0, 0, newest, None), ("B", 0, 0, 0, newest, None)],
        }


def test_the_farm_file_sets_the_patience_and_the_language(build: Build, images: Path) -> None:
    small = build(addition="feeds: {samples_late_s: 60, images_late_s: 86400}\nlanguage: zh\n")
    small.put([("A", "t", NOW, 18.0), ("B", "t", NOW - 2 * MINUTE, 18.0)])
    put_image(images, "A", "20260309230000")
    found = evaluations(look(small, images))
    assert str(found[SAMPLE].description).startswith(
        "没有新采样：B 库（自 2026-03-10 12:08 起）。处理办法："
    )
    assert found[IMAGES].passed
    assert found[IMAGES].description == (
        "已有 7 天没有数据，空库或未装传感器、相机时属正常：B 库（最后：7 天以前或从未）"
    )


def test_of_images_the_names_tell_and_a_silent_room_is_looked_for_in_the_days_before(
    small: SmallFarm, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stamp in ("20260310120000", "20260310111000", "20260310000000", "20260309130000"):
        put_image(images, "A", stamp)
    put_image(images, "A", "20260309121000")  # 24 hours ago
    put_image(images, "A", "20260310123000")  # of the future
    put_image(images, "A", "20260310120500", "no time.jpg")
    put_image(images, "B", "20260307080000")
    put_image(images, "B", "20260304080000")  # older than the newest: not listed
    listed = []
    listing = ImageStore.listing

    def recorded(store: ImageStore, folder: str) -> Any:
        listed.append(folder)
        return listing(store, folder)

    monkeypatch.setattr(ImageStore, "listing", recorded)
    result = look(small, images)
    assert listed == [
        "A/20260310", "A/20260309",
        "B/20260310", "B/20260309", "B/20260308", "B/20260307",
    ]  # fmt: skip
    hours = (16 + 2 * 24 + 12) * 60 + 10  # from 8:00 to midnight, two days, and to 12:10
    assert observation(small, IMAGES) == {
        "rows_last_hour": 1,
        "oldest_age_min": hours,
        "rooms": [
            ("A", 1, 3, 4, "2026-03-10 12:00", 10),
            ("B", 0, 0, 0, "2026-03-07 08:00", hours),
        ],
    }
    found = evaluations(result)[IMAGES]
    assert (found.passed, found.severity) == (False, WARN)
    assert str(found.description).startswith("no new images: B since 2026-03-07 08:00. Remedy: ")


def test_cameras_have_two_hours(small: SmallFarm, images: Path) -> None:
    put_image(images, "A", "20260310101000")
    put_image(images, "B", "20260310100959")
    found = evaluations(look(small, images))[IMAGES]
    assert str(found.description).startswith("no new images: B since 2026-03-10 10:09. Remedy: ")


def test_without_the_image_store_the_samples_are_observed(small: SmallFarm, tmp_path: Path) -> None:
    every_minute(small, "A", 12, 12 + 10 / 60)
    result = look(small, tmp_path / "elsewhere")
    assert not result.success
    assert "ImageStoreRefused: the image store" in failure(result)
    assert "Remedy: create it or correct MUSHROOM_IMAGE_ROOT" in failure(result)
    assert observation(small, SAMPLE)["rows_last_hour"] == 11
    assert evaluations(result).keys() == {SAMPLE}


def test_without_the_table_the_images_are_observed(small: SmallFarm, images: Path) -> None:
    put_image(images, "A", "20260310120000")
    small.execute("ALTER TABLE farm.sample RENAME TO elsewhere")
    result = look(small, images)
    assert not result.success
    assert "Remedy: " in failure(result)
    assert observation(small, IMAGES)["rows_last_hour"] == 1
    assert evaluations(result).keys() == {IMAGES}


def test_a_database_that_is_away_is_a_fault_that_passes(small: SmallFarm, images: Path) -> None:
    """Dagster starts the step anew by its policy; here the policy has no wait."""
    policy = dg.RetryPolicy(max_retries=2, delay=0)
    with socket.socket() as bound:  # bound but not listening: it refuses
        bound.bind(("127.0.0.1", 0))
        url = f"postgresql://grower@127.0.0.1:{bound.getsockname()[1]}/farm"
        defs = dg.Definitions(
            asset_checks=[feeds.sample_check(small.farm, policy)],
            jobs=[dg.define_asset_job("only", dg.AssetSelection.all_asset_checks())],
            resources={
                "postgres": PostgresResource(url=url, connect_attempts=1),
                "farm_file": FarmFile(path=str(small.path)),
            },
        )
        result = defs.resolve_job_def("only").execute_in_process(
            {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            instance=small.instance,
            raise_on_error=False,
        )
    kinds = [event.event_type_value for event in result.all_events]
    assert kinds.count("STEP_UP_FOR_RETRY") == 2
    assert DatabaseUnavailable.__name__ in failure(result)
    assert "Remedy: start PostgreSQL, or correct DATABASE_URL" in failure(result)


def test_a_result_is_not_stale_since_its_source_was_observed(
    small: SmallFarm, images: Path
) -> None:
    """An observation has no data version: Dagster's tags of a later run are those before it."""
    every_minute(small, "A", 10, 11)
    tags = []
    for _ in range(2):
        small.run("daily_env_stats", DAY)
        event = small.instance.get_latest_materialization_event(dg.AssetKey("daily_env_stats"))
        assert event is not None
        assert event.asset_materialization is not None
        known = event.asset_materialization.tags or {}
        tags.append(known["dagster/input_data_version/sample"])
        assert look(small, images).success
    assert tags == ["INITIAL", "INITIAL"]


def test_an_observation_is_small_also_on_a_farm_of_forty_rooms(
    small: SmallFarm, images: Path
) -> None:
    """Dagster keeps them, 48 a day and source, unless the farm file says otherwise."""
    rooms = ", ".join(f"R{number}: {{}}" for number in range(40))
    text = small.path.read_text().replace("{A: {}, B: {}}", f"{{{rooms}}}")
    large = SmallFarm(write_farm(small.path, text), small.path, small.database, small.instance)
    assert look(large, images).success
    (record,) = small.instance.fetch_observations(SAMPLE, limit=2).records
    assert len(dg.serialize_value(record.event_log_entry)) < 40 * 250  # bytes
