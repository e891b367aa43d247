"""`python -m oic_session_ext.cli` is the console script by another name."""

from . import main

main(prog_name="oic-session-ext")
