"""``python -m convstage`` is the command line."""

from .cli import main

main()
