"""Each document that exists in English and Chinese says the same in both.

Words are not compared, but what both have letter for letter: the order of headings, blocks of code,
names in backticks, tables, links and pictures. What is left out, or added in one of them, fails.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TWINS = [ROOT / "README.zh.md", *sorted((ROOT / "docs").glob("*.zh.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
# What a person says or is called, in an example of a command
SAID = re.compile(r'(?<=--reason )"[^"]*"|(?<=note 611 )"[^"]*"|(?<=--author )\S+')
HEADING = re.compile(r"^(#+) .*$", flags=re.MULTILINE)


def both(twin: Path) -> tuple[str, str]:
    """The English document and its twin."""
    english = twin.with_name(twin.name.replace(".zh.md", ".md"))
    return english.read_text(encoding="utf-8"), twin.read_text(encoding="utf-8")


def sections(text: str) -> list[str]:
    """What stands between the headings, without code."""
    return HEADING.split(BLOCK.sub("", text))[::2]


def blocks(text: str) -> list[tuple[str, list[str]]]:
    """Language and lines of each block of code, without what is translated in it."""
    return [(language, untranslated(language, code)) for language, code in BLOCK.findall(text)]


def untranslated(language: str, code: str) -> list[str]:
    if language == "mermaid":  # nodes and arrows, without what is written on them
        return re.sub(r'"[^"]*"|(?<=-- )[^">]+(?= -->)', '""', code).splitlines()
    if not language:  # a tree of files
        return re.findall(r"\w+(?:\.py|/)|`[^`]+`", code)
    lines = [re.sub(r"(^|\s+)#.*", "", line) for line in code.splitlines()]
    return [SAID.sub("", line) for line in lines]


def names(section: str) -> set[str]:
    """What stands in backticks, whole words on whatever line."""
    return {" ".join(name.split()) for name in re.findall(r"`([^`]+)`", section)}


def links(text: str) -> list[str]:
    """Where links and pictures lead; of a document in both languages to the one of the reader."""
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    return [target.split("#")[0].replace(".zh.md", ".md") for target in found]


def tables(text: str) -> list[tuple[int, int]]:
    """Rows and bars of the heading of each table."""
    found = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    return [(table.count("\n"), table.partition("\n")[0].count("|")) for table in found]


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
def test_both_languages_have_the_same_headings(twin: Path) -> None:
    english, chinese = (HEADING.findall(BLOCK.sub("", text)) for text in both(twin))
    assert chinese == english  # by level


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
def test_both_languages_have_the_same_code_but_for_comments(twin: Path) -> None:
    english, chinese = map(blocks, both(twin))
    assert chinese == english


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
def test_both_languages_name_the_same_in_each_section(twin: Path) -> None:
    english, chinese = map(sections, both(twin))
    assert len(chinese) == len(english)
    for ours, theirs in zip(english, chinese, strict=True):
        assert names(theirs) == names(ours), ours[:200]


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
def test_both_languages_have_the_same_tables_links_and_pictures(twin: Path) -> None:
    english, chinese = both(twin)
    assert tables(chinese) == tables(english)
    leads, told = links(chinese), links(english)
    assert leads[1:] == told[1:]  # the first leads to the other language
