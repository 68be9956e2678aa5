"""Cells that hold numbers, with a decimal point or, where nothing speaks against it, a comma."""

import pandas as pd

DECIMAL_COMMA = r"[+-]?\d+,\d+(?:e[+-]?\d+)?"
# What a sheet in English writes for 2256 in a file of tabs, and one in German for 2.256
THOUSANDS = r"[+-]?[1-9]\d{0,2}(?:,\d{3})+"


def read_numbers(cells: pd.Series, separator: str) -> tuple[pd.Series, pd.Series]:
    """Numbers of texts, and what is wrong with each, "" where nothing is.

    Args:
        cells: of one column, by whose name it is told what is wrong.
        separator: of the file's cells: where it is a comma, no number has one.
    """
    name = cells.name
    texts = cells.str.lower()
    values = pd.to_numeric(texts, errors="coerce")
    reasons = pd.Series("", index=cells.index, dtype=object)
    no_number = values.isna() & (texts != "nan")
    if not no_number.any():
        return values, reasons
    reasons[no_number] = f"{name} is no number"
    comma = no_number & texts.str.fullmatch(DECIMAL_COMMA)
    if separator == ",":
        reasons[comma] = f"{name} has a comma: write a decimal point"
    elif texts[~no_number].str.contains(".", regex=False).any():
        reasons[comma] = f"{name} has a comma, where others have a point: write a decimal point"
    else:
        if separator == "\t":
            either = comma & texts.str.fullmatch(THOUSANDS)
            reasons[either] = (
                f"{name} can be of thousands or decimals: write a decimal point or none"
            )
            comma &= ~either
        values[comma] = pd.to_numeric(texts[comma].str.replace(",", "."))
        reasons[comma] = ""
    return values, reasons
