"""CSV tables for spreadsheets, which run cells that look like formulas."""

import pandas as pd

FORMULA = ("=", "+", "-", "@", "\t", "\n", "＝", "＋", "－", "＠")


def csv(table: pd.DataFrame, header: bool = True) -> bytes:
    """Return the table as CSV in which no cell is a formula: a spreadsheet would run a text that
    starts with = + - or @, also after a tab, so such a text gets an apostrophe in front.
    """
    words = table.select_dtypes(exclude=["number", "bool", "datetime", "datetimetz"]).columns
    harmless = table.assign(**{name: table[name].map(_no_formula) for name in words})
    return harmless.rename(columns=_no_formula).to_csv(index=False, header=header).encode()


def _no_formula(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    one = cell.replace("\r", " ")  # a carriage return would end the line, and is not quoted
    return f"'{one}" if one.startswith(FORMULA) else one
