"""How a CSV file is written: its encoding, its separator, its header.

It is found out where only one way makes sense; else the file is refused with what to write instead.
The rows are the business of `files`.
"""

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from mushroom_assets.ingestion.lines import LONGEST_LINE
from mushroom_assets.ingestion.report import LoadError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
# Excel's own first line, which tells itself how the cells are separated
SEP_LINE = re.compile(r'"?sep=(.*?)"?', re.IGNORECASE)
PIECE = 1 << 20  # bytes
# Text in Chinese is nearly all GB2312, the core of GB18030. Western letters, or UTF-8 that is torn,
# decode as GB18030 too, to characters that nobody writes: of the latter 4 in 10 are of the core.
COMMON = 0.9


class Dialect(NamedTuple):
    """How a CSV file is written.

    Attributes:
        encoding: as Python names it.
        separator: of cells.
        header_lines: lines before the first row.
        names: of the columns, as `plain` writes them.
    """

    encoding: str
    separator: str
    header_lines: int
    names: list[str]


def plain(name: str) -> str:
    """A column's name in small letters, without blanks around it, `_` for those within."""
    return re.sub(r"[\s_-]+", "_", name.strip().lower())


def examine(path: Path, wanted: Sequence[str]) -> Dialect:
    """How a file is written that has the columns `wanted`, or some of them.

    Raises:
        OSError: it cannot be read.
        LoadError: no encoding or separator makes sense of it.
    """
    encoding = _encoding(path)
    with path.open(encoding=encoding, newline="") as file:
        line = _without_end(file.readline(LONGEST_LINE))
        told = SEP_LINE.fullmatch(line)
        if told:
            line = _without_end(file.readline(LONGEST_LINE))
    if "\0" in line:
        raise _unreadable(path)  # UTF-16 without its mark, or no text
    separators = [told[1]] if told else list(SEPARATORS)
    if told and told[1] not in SEPARATORS:
        remedy = f"separate cells by one of {', '.join(SEPARATORS.values())}"
        raise LoadError(f"{path} cannot be read: its first line is {told[0]}. Remedy: {remedy}")
    headers = {each: _cells(line, each) for each in separators}
    separator = max(separators, key=lambda each: len(set(headers[each]) & set(wanted)))
    return Dialect(encoding, separator, 2 if told else 1, headers[separator])


def _without_end(line: str) -> str:
    return line.rstrip("\r\n")


def _cells(line: str, separator: str) -> list[str]:
    return [plain(name) for name in next(csv.reader([line], delimiter=separator), [])]


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
    if _is_utf8(path):
        return "utf-8-sig"
    if _is_chinese(path):
        return "gb18030"
    raise _unreadable(path)


def _unreadable(path: Path) -> LoadError:
    return LoadError(
        f"{path} cannot be read: it is neither UTF-8 nor Chinese text in GB18030 (GBK). "
        "Remedy: save it as UTF-8; Excel calls that `CSV UTF-8`"
    )


def _pieces(path: Path) -> Iterator[bytes]:
    """The file's bytes; the last piece is empty."""
    with path.open("rb") as file:
        yield from iter(partial(file.read, PIECE), b"")
    yield b""


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    begun = False  # a character, in the piece before
    try:
        for piece in _pieces(path):
            # ASCII is told ten times as fast
            if begun or not piece or not piece.isascii():
                decoder.decode(piece, final=not piece)
                begun = bool(decoder.getstate()[0])
    except UnicodeDecodeError:
        return False
    return True


def _is_chinese(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("gb18030")()
    characters = 0
    common = 0
    try:
        for piece in _pieces(path):
            text = re.sub(r"[\x00-\x7f]+", "", decoder.decode(piece, final=not piece))
            characters += len(text)
            common += len(text.encode("gb2312", "ignore")) // 2  # two bytes each
    except UnicodeDecodeError:
        return False
    return common > COMMON * characters
