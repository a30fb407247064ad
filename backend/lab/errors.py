"""The one error of the launcher: a sentence for the person at the terminal."""


class LabError(Exception):
    """Names the thing, the value and what to do; shown as one line, without a traceback, and never holding a secret."""


class Interrupted(Exception):
    """Ctrl-C, SIGTERM or SIGHUP came while something was awaited."""
