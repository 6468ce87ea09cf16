"""Aligned tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from airflow_carbon.exceptions import printable


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Set rows under a header, every column as wide as its widest cell; the first line is the header.

    :param header: names of the columns; one that begins with ``>`` has its cells flush right.
    :param rows: cells, as many in each row as the header has.
    """
    right = [name.startswith(">") for name in header]
    lines = [[name.removeprefix(">") for name in header], *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if flush else cell.ljust(width)
            for cell, width, flush in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    ]
