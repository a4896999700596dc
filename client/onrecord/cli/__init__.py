"""The command line, `onrecord`.

Exit status: 0 done, 1 the service or the system failed, 2 wrong use or unusable input, 3 a verdict named by
`--fail-on`, 130 interrupted. Errors are one line on stderr, beginning "onrecord: ".
"""

from onrecord.cli._main import cli, main

__all__ = ["cli", "main"]
