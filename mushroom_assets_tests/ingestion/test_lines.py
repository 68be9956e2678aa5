"""A line of any length takes a bounded memory, and the others keep their numbers."""

import tracemalloc
from pathlib import Path

import pytest

from mushroom_assets.ingestion import lines
from mushroom_assets.ingestion.lines import Lines


def through(path: Path, size: int) -> tuple[bytes, list[tuple[int, str]]]:
    """What is read in pieces of a size, and what is told of overlong lines."""
    told: list[tuple[int, str]] = []
    with Lines(path, lambda line, text: told.append((line, text))) as stream:
        return b"".join(iter(lambda: stream.read(size), b"")), told


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_an_overlong_line_is_empty_and_told_by_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: bytes, size: int
) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE", 10)
    monkeypatch.setattr(lines, "SHOWN", 5)
    given = [b"head", b"012345678", b"", b"a" * 21, b"", b"b" * 35, b"c", b"d" * 99]
    path = tmp_path / "f.csv"
    for last in (end, b""):  # of the last line
        path.write_bytes(end.join(given) + last)
        read, told = through(path, size)
        assert told == [(4, "a" * 5), (6, "b" * 5), (8, "d" * 5)]
        kept = [b"" if line > 3 and len(text) > 20 else text for line, text in enumerate(given, 1)]
        assert read == end.join(kept) + last


def test_shorter_lines_pass_whatever_the_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE", 10)
    path = tmp_path / "f.csv"
    for length in range(10):
        content = b"".join(b"x" * length + end for end in (b"\n", b"\r\n", b"\r", b"\n\n")) * 9
        path.write_bytes(content)
        assert through(path, 7) == (content, [])


def test_a_last_line_without_its_end_passes_wherever_a_piece_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE", 10)
    path = tmp_path / "f.csv"
    for before in range(12):
        content = b"x" * (before % 9) + b"\n" + b"y" * (before // 9) + b"\nlast one"
        path.write_bytes(content)
        assert through(path, 7) == (content, [])


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_lines_of_another_encoding_come_as_utf_8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, end: str
) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE", 10)
    monkeypatch.setattr(lines, "SHOWN", 6)  # two of them
    given = ["温度", "菇" * 9, "", "房" * 21, "end"]
    path = tmp_path / "f.csv"
    path.write_bytes(end.join(given).encode(encoding))
    told: list[tuple[int, str]] = []
    with Lines(path, lambda line, text: told.append((line, text)), encoding=encoding) as stream:
        read = b"".join(iter(lambda: stream.read(7), b"")).decode()
    assert told == [(4, "房房")]
    assert read == end.join([*given[:3], "", "end"])


def test_a_line_of_60_mb_takes_few_of_them(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    with path.open("wb") as file:
        for _ in range(60):
            file.write(b"x" * 1_000_000)
        file.write(b"\nrow\n")
    tracemalloc.start()
    read, told = through(path, 1 << 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (read, told) == (b"\nrow\n", [(1, "x" * lines.SHOWN)])
    assert peak < 5_000_000
