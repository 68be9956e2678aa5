"""A file's bytes with a bound on the length of a line, so that no line fills the memory.

What a line means is the business of `files`.
"""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

LONGEST_LINE = 1 << 20  # bytes; shorter ones pass, and none of twice that
ENDS = (b"\n", b"\r")
SHOWN = 2000  # bytes of a longer one that are told


class Lines(io.RawIOBase):
    """The file as a stream, in which an overlong line is empty; `tell` is told its number and text.

    Lines count from 1. A line ends as CSV has it: LF, CR LF or CR. The bytes are UTF-8, whatever
    the file's encoding.
    """

    def __init__(
        self, path: Path, tell: Callable[[int, str], None], encoding: str = "utf-8"
    ) -> None:
        super().__init__()
        self._file = path.open("rb")
        is_utf8 = encoding.startswith("utf-8")  # a mark of its order is no trouble to who reads it
        self._text = None if is_utf8 else io.TextIOWrapper(self._file, encoding, newline="")
        self._tell = tell
        self._pieces = self._bounded()
        self._rest = b""

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def close(self) -> None:
        """Close the file too."""
        self._file.close()
        super().close()

    def read(self, size: int = -1) -> bytes:
        """So many bytes, fewer at the end only."""
        pieces = [self._rest]
        held = len(self._rest)
        while size < 0 or held < size:
            piece = next(self._pieces, b"")
            if not piece:
                break
            pieces.append(piece)
            held += len(piece)
        data = b"".join(pieces)
        end = len(data) if size < 0 else size
        self._rest = data[end:]
        return data[:end]

    def _bounded(self) -> Iterator[bytes]:
        """The bytes, cut at ends of lines."""
        lines = 0
        begun = b""  # of a line whose end was not read yet
        for piece in iter(self._piece, b""):
            # A shorter piece is the last one: the file ends without the end of a line
            if not _ends(piece) and len(begun + piece) >= LONGEST_LINE:
                self._tell(lines + 1, (begun + piece)[:SHOWN].decode("utf-8", "replace"))
                begun = b""
                piece = self._after_the_line()
            end = max(_ends(piece), default=-1) + 1
            whole = begun + piece[:end]
            begun = piece[end:]
            lines += whole.count(b"\n") + whole.count(b"\r") - whole.count(b"\r\n")
            yield whole
        if begun:
            yield begun

    def _piece(self) -> bytes:
        """The next bytes; a CR is not parted from its LF."""
        piece = self._bytes(LONGEST_LINE)
        return piece + self._bytes(1) if piece.endswith(b"\r") else piece

    def _bytes(self, count: int) -> bytes:
        """So many of the file, or of its characters where they are decoded."""
        return self._file.read(count) if self._text is None else self._text.read(count).encode()

    def _after_the_line(self) -> bytes:
        """What follows the line that is being read, from its end on."""
        for piece in iter(self._piece, b""):
            begin = min((piece.find(mark) for mark in ENDS if mark in piece), default=None)
            if begin is not None:
                return piece[begin:]
        return b""


def _ends(piece: bytes) -> list[int]:
    """The last place of each mark that ends a line."""
    return [piece.rfind(mark) for mark in ENDS if mark in piece]
