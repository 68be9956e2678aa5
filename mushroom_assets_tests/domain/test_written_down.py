"""Notes and pickings on a card, in both languages; hostile texts break nothing around them."""

import datetime as dt
import re
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from mushroom_assets.domain.markdown import harmless
from mushroom_assets.domain.records import LONGEST_NOTE, Harvest, Note, Picking
from mushroom_assets.domain.written_down import NOTES_SHOWN
from mushroom_assets_tests.kit.room_days import BATCH, DAY, farm, write

# What the UI makes links of, after the Markdown has been read: mdast-util-gfm-autolink-literal
ADDRESSES = re.compile(
    r"(https?://|www(?=\.))([-.\w]+)([^ \t\r\n]*)|([-.\w+]+)@([-\w]+(?:\.[-\w]+)+)",
    re.IGNORECASE | re.ASCII,
)
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[611](javascript:alert(1))",
    "![x](http://evil.example/x.png)",
    "see https://evil.example/a?b=c and www.evil.example or WWW.EVIL.EXAMPLE",
    "HTTPS://evil.example, mail me@evil.example <me@evil.example>",
    "[a]: http://evil.example\n\n[a]",
    "| a | b |\n|---|---|\n| c | d |",
    "# heading\n\n- item\n1. item\n> quote\n\n---\n\n===",
    "```\ncode\n```  `code` ~~gone~~ **bold** __bold__ *it* _it_",
    "&lt;b&gt; &#60;b&#62; &amp; \\&lt;",
    "\\ \\\\ \\* ending in \\",
    "fan\x00\x1b[31mred\x07 \u202eturned\u2066",
    "footnote[^1]\n\n[^1]: x",
    "{count} %s {0} ${HOME} $x^2$",
]


def note(text: str, minute: int = 0, author: str = "") -> Note:
    """So many minutes after 09:00 in Shanghai."""
    at = dt.datetime(2026, 1, 20, 1, 0, tzinfo=dt.UTC) + dt.timedelta(minutes=minute)
    return Note(minute, "611", at, text, author)


def part(row: dict[str, Any], heading: str) -> list[str]:
    """The lines of a card from a heading to the next part."""
    text = f"{row['summary_md']}"
    return text[text.index(heading) :].split("\n\n**")[0].splitlines()


def test_notes_stand_in_time_with_their_authors() -> None:
    notes = [note("fan repaired", 40, "Li"), note("door left\nopen", 125)]
    row = write(notes=notes)
    assert part(row, "**Notes")[:4] == [
        "**Notes: 2**",
        "",
        "- **1** 09:40 fan repaired (Li)",
        "- **2** 11:05 door left open",
    ]
    chinese = write(notes=notes, of=farm("zh"))
    assert part(chinese, "**记事")[0] == "**记事：2 条**"
    assert "- **1** 09:40 fan repaired（Li）" in chinese["summary_md"]


def test_of_many_notes_the_first_are_shown() -> None:
    row = write(notes=[note(f"note {minute}", minute) for minute in range(NOTES_SHOWN + 2)])
    assert f"- **{NOTES_SHOWN}** 09:19 note 19\n\nand 2 more" in row["summary_md"]
    assert "note 20" not in row["summary_md"]


def test_a_harvest_is_told_with_the_kilos_a_bag_where_the_bags_are_known() -> None:
    pickings = [
        Picking("611", BATCH, DAY - dt.timedelta(days=1), 1600.04),
        Picking("611", BATCH, DAY, 800),
    ]
    old = dt.date(2025, 12, 12)
    others = [Picking("611", old, old + dt.timedelta(days=25), 1)]
    harvests = [Harvest("611", old, others), Harvest("611", BATCH, pickings, 9600)]
    assert part(write(harvests=harvests), "**Harvest")[:4] == [
        "**Harvest**",
        "",
        "- Batch of 2025-12-12: 1.0 kg so far (pickings: 1)",
        # 2400.04 / 9600
        "- Batch of 2026-01-10: 2,400.0 kg so far (800.0 kg on this day, pickings: 2, "
        "0.250 kg a bag)",
    ]
    told = part(write(harvests=harvests, of=farm("zh")), "**采收")
    assert told[3] == (
        "- 2026-01-10 入库的批次：累计 2,400.0 公斤（当日 800.0 公斤，采收 2 次，每包 0.250 公斤）"
    )


def test_a_day_without_them_has_the_card_that_it_had() -> None:
    assert write(notes=[], harvests=[]) == write()
    told = write()["summary_md"]
    assert "Notes" not in told
    assert "Harvest" not in told


@pytest.mark.parametrize("text", HOSTILE)
def test_what_people_type_is_text_and_nothing_else(text: str) -> None:
    """Read as Markdown, the card has the tokens that it has with a tame text, and the words."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tame = parser.parse(write(notes=[note("tame", author="tame")])["summary_md"])
    found = parser.parse(write(notes=[note(text, author=text)])["summary_md"])
    assert [token.type for token in found] == [token.type for token in tame]
    (line,) = [token for token in found if "09:00" in token.content]
    assert kinds(line) == {"strong_open", "strong_close", "text"}
    said = "".join(child.content for child in line.children or ())
    words = "".join(sign for sign in text if sign.isprintable() or sign.isspace())
    words = " ".join(re.sub("[\u202e\u2066]", "", words).split())
    shown = f"1 09:00 {words} ({words[:80]})"
    assert said.replace("\u2060", "") == shown
    assert ADDRESSES.search(said) is None


def kinds(line: Token) -> set[str]:
    """Types of what a line is made of; an escaped character is a text of its own."""
    found = {child.type for child in line.children or ()}
    return found - {"text_special"}


def test_a_longer_text_is_cut_wherever_it_came_from() -> None:
    assert harmless("x" * LONGEST_NOTE, LONGEST_NOTE) == "x" * LONGEST_NOTE
    assert harmless("x" * (LONGEST_NOTE + 1), LONGEST_NOTE) == "x" * LONGEST_NOTE + "…"
    family = "👩\u200d👧"
    assert harmless(family, 80) == family
