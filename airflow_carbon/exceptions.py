"""Every error that airflow_carbon raises on purpose.

::

    CarbonError
    ├── InvalidRequestError      what the user asked for cannot be meant (also a ValueError)
    │   ├── NoFeasibleWindowError    the deadline cannot be met
    │   ├── NotWaitingError          the task is there, and does not wait
    │   ├── PolicyFileError          a policy file is wrong at one place
    │   └── UnknownTaskError         no such DAG, run, task or map index
    ├── InvalidForecastError     a series of intensities is empty, gapped, negative, ... (also a ValueError)
    ├── LedgerError              the ledger refused or lost something
    ├── LocalAirflowError        an Airflow that this package runs did not start, or refused a request
    └── SourceError              the outside world
        ├── SourceUnavailableError   try again later, or the next source
        ├── SourceAuthError          never try again: the credentials are wrong
        ├── SourceResponseError      the answer is not what the service documents
        └── UnknownZoneError         this source does not know that location

Each takes its message alone, so that all survive pickling between processes.
"""

from __future__ import annotations


def printable(text: object) -> str:
    """Put a space for every character that moves a cursor, breaks a line or turns the direction of what is shown."""
    said = str(text)
    return said if said.isprintable() else "".join(one if one.isprintable() else " " for one in said)


class CarbonError(Exception):
    """Base of every deliberate error of this package; its message is one line, whatever it quotes."""

    def __init__(self, message: object = "") -> None:
        super().__init__(printable(message))


class InvalidRequestError(CarbonError, ValueError):
    """A request is wrong in itself; the message names the field and what would be right."""


class NoFeasibleWindowError(InvalidRequestError):
    """No start lets the run finish by its deadline."""


class NotWaitingError(InvalidRequestError):
    """The task instance is there, but it is not waiting for clean power."""


class UnknownTaskError(InvalidRequestError):
    """There is no such DAG, run, task or map index; the message names what there is."""


class PolicyFileError(InvalidRequestError):
    """A policy file is wrong at one place; the message names line and key.

    :param line: from 1; 0 where it is no matter of one line.
    :param key: the way to the value, such as ``rules[2].match.tags``.
    """

    def __init__(self, message: str, *, line: int = 0, key: str = "") -> None:
        super().__init__(message)
        self.line, self.key = line, key


class InvalidForecastError(CarbonError, ValueError):
    """A series of intensities cannot be a forecast; the message names the row."""


class LedgerError(CarbonError):
    """The ledger refused a record."""


class LocalAirflowError(CarbonError):
    """An Airflow that this package runs itself did not start, or refused what it was asked; may end with its log."""

    def __init__(self, message: object = "") -> None:
        Exception.__init__(self, message)


class SourceError(CarbonError):
    """A source of intensities did not give what was asked."""


class SourceUnavailableError(SourceError):
    """The source cannot answer now; trying again later, or another source, may help."""


class SourceAuthError(SourceError):
    """The source refuses these credentials; trying again does not help."""


class SourceResponseError(SourceError):
    """The source answered something that it does not document."""


class UnknownZoneError(SourceError):
    """The source does not know the location; the message names the nearest ones."""
