"""`python -m hub` is `fras`."""

from hub.cli import main

main()
