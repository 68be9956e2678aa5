"""Markdown as a reader sees it: cells of tables and pictures in them.

It is read by another implementation than the UI's.
"""

import base64
import io
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token
from PIL import Image


class Cell(NamedTuple):
    """Text of a table's cell, and its pictures by their alternative text."""

    text: str
    pictures: dict[str, Image.Image]


def tables(source: str) -> list[list[list[Cell]]]:
    """Every table's lines of cells, the heading's first."""
    found: list[list[list[Cell]]] = []
    inside = False
    for token in MarkdownIt("commonmark").enable("table").parse(source):
        if token.type in ("table_open", "table_close"):
            inside = token.type == "table_open"
            found += [[]] * inside
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type == "inline" and inside:
            found[-1][-1].append(_cell(token))
    return found


def texts(table: list[list[Cell]]) -> list[list[str]]:
    """The text of each cell, line by line."""
    return [_texts_of(line) for line in table]


def _texts_of(line: list[Cell]) -> list[str]:
    return [cell.text for cell in line]


def pictures(source: str) -> dict[str, Image.Image]:
    """All pictures of all tables."""
    found: dict[str, Image.Image] = {}
    for table in tables(source):
        for line in table:
            for cell in line:
                found |= cell.pictures
    return found


def _cell(token: Token) -> Cell:
    children = token.children or []
    shown = {
        _alternative(child): _decoded(str(child.attrs["src"]))
        for child in children
        if child.type == "image"
    }
    return Cell("".join(child.content for child in children if child.type != "image"), shown)


def _alternative(image: Token) -> str:
    return "".join(child.content for child in image.children or ())


def _decoded(source: str) -> Image.Image:
    kind, data = source.removeprefix("data:image/").split(";base64,")
    picture = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
    assert picture.format == kind.upper()
    picture.load()
    return picture
