"""Every asset explains itself, in English and in Chinese: no page has a gap."""

import re
from typing import Any, get_args

import dagster as dg
import pytest
import sqlalchemy as sa
import yaml

from mushroom_assets.automation.timetable import TIMETABLE
from mushroom_assets.definitions import build_definitions
from mushroom_assets.domain.farm_file import FarmFileError, parse_farm
from mushroom_assets.domain.farm_parts import Language
from mushroom_assets.domain.texts import say_in
from mushroom_assets.domain.versions import code_version
from mushroom_assets.metadata.pages import pages
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import ASSETS, metadata
from mushroom_assets.storage.schema.dictionary import ORIGINS, farm_keys

FARM = (
    "{{timezone: Asia/Shanghai, first_day: 2026-01-01, rooms: {{611: {{}}}}, language: {language}}}"
)
LANGUAGES: tuple[Language, ...] = get_args(Language)
HEADINGS = ("source", "cadence", "units", "meaning", "neighbours", "table")
FILES = {"room_images"}  # no table
SCHEDULED = {
    "daily_env_stats": "01:03",
    "hourly_setpoint_changes": "5 分钟|5 minutes",
    "daily_clip_inference": "03:02",
}
CJK = re.compile("[\u4e00-\u9fff]")
# Words that are not the farm's own names, units or code: what is left of English in a Chinese text
# would be prose.
NAMES = re.compile(
    r"`[^`]*`|\[[^\]]*\]\([^)]*\)|<[^>]*>|[A-Z][A-Za-z0-9-]*[A-Z0-9][A-Za-z0-9-]*|\b\w*_\w*\b"
)


def definitions(language: str) -> dg.Definitions:
    return build_definitions(parse_farm(FARM.format(language=language)))


@pytest.fixture(scope="module", params=LANGUAGES)
def told(request: pytest.FixtureRequest) -> tuple[Language, dict[str, dg.AssetSpec]]:
    """The language, and every asset's spec by its key."""
    specs = definitions(request.param).resolve_all_asset_specs()
    return request.param, {spec.key.to_user_string(): spec for spec in specs}


Told = tuple[Language, dict[str, dg.AssetSpec]]


def schema(spec: dg.AssetSpec) -> dg.TableSchema:
    found = spec.metadata["dagster/column_schema"]
    assert isinstance(found, dg.TableSchema)
    return found


def upstreams(specs: dict[str, dg.AssetSpec], name: str) -> set[str]:
    return {dep.asset_key.to_user_string() for dep in specs[name].deps}


def test_every_asset_is_there_and_described(told: Told) -> None:
    language, specs = told
    assert set(specs) == set(ASSETS) == set(pages())
    for name, spec in specs.items():
        what, *paragraphs = str(spec.description).split("\n\n")
        assert len(what) > (40 if language == "en" else 15), name
        begins = [f"**{say_in(language, f'page.{heading}')}** " for heading in HEADINGS]
        assert [paragraph.partition("** ")[0] + "** " for paragraph in paragraphs[:-1]] == begins, (
            name
        )
        assert all(len(paragraph.partition("** ")[2]) > 0 for paragraph in paragraphs[:-1]), name
        assert re.fullmatch(r"```sql\nSELECT [^`]*;\n```", paragraphs[-1]), name
        assert "[[" not in str(spec.description)


def test_every_asset_can_be_found_in_the_catalogue(told: Told) -> None:
    _, specs = told
    for name, spec in specs.items():
        assert spec.group_name == "farm"
        assert spec.owners, name
        assert spec.kinds, name
        assert {"domain", "cadence", "layer"} <= set(spec.tags), name
        assert spec.tags["layer"] == ("result" if name in TIMETABLE else "source"), name
        table = spec.metadata.get("dagster/table_name")
        assert table == (None if name in FILES else f"farm.{name}")
        assert name in FILES or f"`{table}`" in str(spec.description)


def test_every_column_has_a_meaning_and_every_number_a_unit(told: Told) -> None:
    language, specs = told
    numbers = ("integer", "double precision", "double precision[]", "vector")
    for name, spec in specs.items():
        declared = ASSETS[name].columns
        assert [column.name for column in schema(spec).columns] == [
            column.name for column in declared
        ]
        for column, of in zip(schema(spec).columns, declared, strict=True):
            assert str(column.description).startswith(of.info["meaning"][language]), (
                f"{name}.{column.name}"
            )
            unit = of.info["unit"]
            assert (unit is not None) == (column.type in numbers), f"{name}.{column.name}"
            assert unit in (None, "1") or unit in str(column.description).partition("\n")[0]


def test_every_column_of_a_result_says_what_it_is_computed_from(told: Told) -> None:
    _, specs = told
    for name in TIMETABLE:
        lineage = specs[name].metadata["dagster/column_lineage"]
        assert isinstance(lineage, dg.TableColumnLineage)
        assert list(lineage.deps_by_column) == [column.name for column in ASSETS[name].columns]
        for column in ASSETS[name].columns:
            deps = lineage.deps_by_column[column.name]
            for dep in deps:
                of = dep.asset_key.to_user_string()
                assert of in upstreams(specs, name), f"{name}.{column.name}: {of} is not upstream"
                assert dep.column_name in {other.name for other in schema(specs[of]).columns}
            rest = set(column.info["origin"]) & set(ORIGINS) or farm_keys(column)
            assert deps or rest, f"{name}.{column.name}"
            shown = next(
                one for one in schema(specs[name]).columns if one.name == column.name
            ).description
            assert all(
                f"[{dep.asset_key.to_user_string()}.{dep.column_name}](" in str(shown)
                for dep in deps
            )


def test_the_columns_of_a_result_draw_on_all_its_upstream_assets(told: Told) -> None:
    _, specs = told
    for name in TIMETABLE:
        lineage = specs[name].metadata["dagster/column_lineage"]
        named = {
            dep.asset_key.to_user_string()
            for deps in lineage.deps_by_column.values()
            for dep in deps
        }
        assert named == upstreams(specs, name)


def test_what_links_to_assets_leads_to_assets_and_neighbours_are_linked(told: Told) -> None:
    language, specs = told
    for name, spec in specs.items():
        texts = [
            str(spec.description),
            *(str(column.description) for column in schema(spec).columns),
        ]
        assert set(re.findall(r"\]\(([^)]*)\)", "".join(texts))) <= {
            f"/assets/{other}" for other in specs
        }
        (line,) = re.findall(rf"\*\*{say_in(language, 'page.neighbours')}\*\* (.*)", texts[0])
        before, after = line.split(f"`{name}`")
        assert set(re.findall(r"/assets/(\w+)", before)) == upstreams(specs, name)
        children = {other for other in specs if name in upstreams(specs, other)}
        assert set(re.findall(r"/assets/(\w+)", after)) == children


def test_the_code_version_of_a_result_is_that_of_its_parts_of_the_farm_file(told: Told) -> None:
    language, specs = told
    farm = parse_farm(FARM.format(language=language))
    assert {name: spec.code_version for name, spec in specs.items()} == {
        name: code_version(TIMETABLE[name].noun, farm) if name in TIMETABLE else None
        for name in specs
    }


@pytest.mark.parametrize("name", TIMETABLE)
def test_the_farm_files_keys_in_the_version_are_those_that_the_columns_name(name: str) -> None:
    farm = parse_farm(FARM.format(language="en"))
    groups = TIMETABLE[name].noun.depends_on(farm)
    assert set().union(*groups) == {
        key for column in ASSETS[name].columns for key in farm_keys(column)
    }


def test_the_schedules_time_is_the_one_that_the_page_says(told: Told) -> None:
    language, specs = told
    crons = {
        s.name: s.cron_schedule
        for s in definitions(language).schedules or ()
        if hasattr(s, "cron_schedule")
    }
    for name, said in SCHEDULED.items():
        assert re.search(said, str(specs[name].description))
        minute, hour, *_ = str(crons[f"{name}_schedule"]).split()
        assert (
            said == f"{int(hour):02}:{int(minute):02}"
            if hour != "*"
            else said.startswith(f"{minute} ")
        )


@pytest.mark.parametrize("name", ASSETS)
def test_the_page_is_as_long_in_both_languages_and_none_is_a_copy(name: str) -> None:
    page = pages()[name]
    for section in ("what", "source", "cadence", "units", "meaning"):
        said = getattr(page, section)
        assert set(said) == set(LANGUAGES)
        assert not CJK.search(said["en"]), (name, section)
        assert CJK.search(said["zh"]), (name, section)
        # A Chinese character is a short word
        assert 1.2 < len(said["en"]) / len(said["zh"]) < 5, (name, section)


def prose(text: str) -> list[str]:
    """English words of a text that are no name, unit or code."""
    allowed = {
        "JPEG",
        "px",
        "min",
        "CLIP",
        "ppm",
        "kPa",
        "Markdown",
        "Dagster",
        "mushroom",
        "point",
        "alias",
        "name",
        "x",
    }
    return [
        word for word in re.findall("[A-Za-z]{3,}", NAMES.sub(" ", text)) if word not in allowed
    ]


def test_no_english_is_left_on_a_chinese_page() -> None:
    specs = {
        spec.key.to_user_string(): spec for spec in definitions("zh").resolve_all_asset_specs()
    }
    for name, spec in specs.items():
        text = str(spec.description).partition("```")[0]
        assert prose(text) == [], name
        for column in schema(spec).columns:
            meaning, _, origins = str(column.description).partition("\n\n")
            assert CJK.search(meaning), f"{name}.{column.name}"
            left = set(prose(meaning + " " + origins)) - values_of(name, column.name)
            assert left == set(), f"{name}.{column.name}"
        constraints = schema(spec).constraints
        assert constraints is not None
        assert CJK.search("".join(constraints.other))


def values_of(table: str, column: str) -> set[str]:
    """English words that are values of a column, so that a Chinese text has to name them."""
    values = {
        "quantity": {"temperature", "humidity", "vpd"},
        "verdict": {"good", "watch", "act"},
        "status": {"unreadable", "rejected"},
        "stage": {"unknown"},
        "condition": {"unknown"},
        "probe_stage": {"unknown"},
        "probe_condition": {"unknown"},
        "kind": {"stage", "condition"},
    }
    return values.get(column, set())


def test_every_table_and_column_of_the_dictionary_is_told_in_both_languages() -> None:
    for table in metadata.tables.values():
        for thing in (table, *table.columns):
            said: dict[str, Any] = thing.info["meaning"]
            assert not CJK.search(said["en"]), f"{table.name} {thing.name}"
            assert CJK.search(said["zh"]), f"{table.name} {thing.name}"


def test_the_example_queries_run(database: Database) -> None:
    with database.transaction() as connection:
        for page in pages().values():
            assert connection.execute(sa.text(page.query.replace("::", "\\:\\:"))).all() == []


def test_the_farm_says_who_its_people_are() -> None:
    own = {"growers": ["mei@farm.example", "team:night-shift"]}
    document = yaml.safe_load(FARM.format(language="en")) | {"owners": own}
    specs = build_definitions(parse_farm(yaml.safe_dump(document))).resolve_all_asset_specs()
    owners = {spec.key.to_user_string(): list(spec.owners) for spec in specs}
    assert owners["daily_env_stats"] == own["growers"]
    assert owners["daily_room_report"] == [*own["growers"], "team:agronomists"]
    assert owners["sample"] == ["team:data-engineering"]


@pytest.mark.parametrize(
    "owners", ["{growers: [mei]}", "{pickers: [team:pickers]}", "{growers: ['team:']}"]
)
def test_an_owner_that_dagster_would_refuse_is_a_mistake_in_the_farm_file(owners: str) -> None:
    with pytest.raises(FarmFileError, match=r"owners\.(growers|pickers)"):
        parse_farm(FARM.format(language="en")[:-1] + f", owners: {owners}" + "}")
