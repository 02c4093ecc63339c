"""The two ways in which Tensorline stops: the user's mistake, and a failure.

Every message says what was found and where, what was expected, and how to fix it. The command line prints the message
alone, without a traceback, and leaves with `exit_code`.
"""

from __future__ import annotations


class TensorlineError(Exception):
    """A failure that is not the user's mistake: a killed worker, a full disk, lost records."""

    exit_code = 1


class UserError(TensorlineError):
    """Something that the user can mend: a wrong parameter, an unreadable file, an anomaly in the data."""

    exit_code = 2


class ParamsError(UserError):
    """params.yaml or pipelines/NAME/params.yaml holds a mistake; the message lists all of them, one a line."""


class RecordError(UserError):
    """A record of the raw data can't be taken; the message names file, line, column, value and rule."""


class AnomalyError(UserError):
    """The data breaks its schema; the message is the table of anomalies."""


class DriftError(UserError):
    """The training data have drifted from the champion's, and that is to stop the pipeline; the message names the features."""


class AccountingError(TensorlineError):
    """Records in differ from records out + rejects: a stage lost or invented some."""
