"""The documents say what the code does: a change that they miss fails here."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mushroom_assets.cli.load import load
from mushroom_assets.cli.main import SUBCOMMANDS
from mushroom_assets.settings import load_settings
from mushroom_assets.storage.schema import RESULTS
from mushroom_assets_tests.kit.command import mushroom
from mushroom_assets_tests.kit.rooms import MAY

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("language", "name"), [("en", "tables.md"), ("zh", "tables.zh.md")])
def test_the_table_documents_are_what_the_schema_declares(language: str, name: str) -> None:
    command = [sys.executable, f"{ROOT}/docs/tables.py", language]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == made.stdout, (
        f"run: python docs/tables.py {language} > docs/{name}"
    )


@pytest.mark.parametrize(
    "name", [name for name in load_settings({}).environment() if name != "MUSHROOM_STARTUP_ERROR"]
)
def test_every_setting_is_in_the_readme(name: str) -> None:
    assert f"`{name}`" in README


def test_every_command_that_the_readmes_show_exists() -> None:
    shown = set(re.findall(r"^mushroom (\w+)(?: (\w+))?", README + CHINESE, flags=re.MULTILINE))
    assert {command for command, _ in shown} <= set(SUBCOMMANDS)
    assert {what for command, what in shown if command == "load"} == set(load.commands)


def test_both_readmes_name_every_result_table() -> None:
    for table in RESULTS:
        assert f"`{table}`" in README
        assert f"`{table}`" in CHINESE


def test_links_and_pictures_of_the_readmes_exist() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", README + CHINESE):
        assert (ROOT / target).exists(), target


GUIDES = [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PACKAGE = ROOT / "mushroom_assets"
# Without the package itself, and without a former name that is kept for one release
ROOMS = set(MAY) - {"", "event_storage"}


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_every_file_that_a_guide_names_exists(guide: Path) -> None:
    """Paths in backticks, of the package or of the repository; `<noun>` stands for any name."""
    text = guide.read_text(encoding="utf-8")
    named = re.findall(r"`([\w.-]+(?:/[\w.-]+)*(?:\.(?:py|yaml|md|txt|mako)|/))`", text)
    assert [path for path in named if not named_file_exists(path)] == []


def named_file_exists(path: str) -> bool:
    places = (ROOT, PACKAGE, ROOT / "docs")
    return any((place / path).exists() for place in places)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_links_of_the_guides_exist(guide: Path) -> None:
    targets = re.findall(r"\]\((?!http)([^)#]+)", guide.read_text(encoding="utf-8"))
    assert [target for target in targets if not (guide.parent / target).exists()] == []


def test_every_make_target_that_a_guide_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    known = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    guides = [ROOT / "README.md", ROOT / "README.zh.md", ROOT / "CHANGELOG.md", *GUIDES]
    for guide in guides:
        text = guide.read_text(encoding="utf-8")
        named = set(re.findall(r"(?:^|`)make ([a-z-]+)", text, flags=re.MULTILINE))
        assert named - known == set(), guide.name


def frames(picture: str) -> dict[str, set[str]]:
    """The rooms of each frame (`subgraph`) of a picture."""
    found = re.findall(r"subgraph (\w+).*?\n(.*?)\n  end", picture, flags=re.DOTALL)
    return {frame: set(rooms.split()) for frame, rooms in found}


def drawn_imports(picture: str) -> dict[str, set[str]]:
    """What each room may import by the arrows of a picture; one of a frame counts for its rooms."""
    framed = frames(picture)
    drawn: dict[str, set[str]] = {}
    for source, target in re.findall(r"^  (\w+) (?:-->|==>) (\w+)$", picture, flags=re.MULTILINE):
        for room in framed.get(source, {source}):
            drawn.setdefault(room, set()).update(framed.get(target, {target}))
    return drawn


def test_the_picture_of_the_rooms_shows_who_may_import_whom() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    picture = text.split("```mermaid")[1].split("```")[0]
    drawn = drawn_imports(picture)
    ground = frames(picture)["ground"]
    for room in ROOMS - {"cli"}:
        allowed = drawn.get(room, set()) | (set() if room in ground else ground)
        assert allowed == MAY[room], room
    assert ROOMS - {"cli"} <= MAY["cli"]  # as the picture says in words


def test_the_table_of_the_rooms_and_the_readmes_name_every_room() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)(?:\.py)?` \|", text, flags=re.MULTILINE)
    assert sorted(listed) == sorted(ROOMS)
    for readme in (README, CHINESE):
        assert set(re.findall(r"([a-z_]+)(?:\.py|/)", readme)) >= ROOMS


def test_every_option_that_a_guide_gives_a_subcommand_is_one() -> None:
    guides = "\n".join(path.read_text(encoding="utf-8") for path in GUIDES) + README + CHINESE
    asked = re.findall(r"mushroom ([a-z]+)((?: [a-z-]+| --[a-z-]+)*)", guides)
    wrong = []
    for name, rest in set(asked):
        if name not in SUBCOMMANDS:
            continue
        options = {word for word in rest.split() if word.startswith("--")}
        helped = mushroom(name, *_subcommand(name, rest), "--help").output
        wrong += [f"{name} {option}" for option in options if option not in helped]
    assert wrong == []


def _subcommand(name: str, rest: str) -> list[str]:
    """The second word of `serve daemon`, `load samples`."""
    words = rest.split()[:1] if name in ("serve", "load", "settings") else []
    return [word for word in words if not word.startswith("-")]
