"""`python -m shipworthy` is the command `shipworthy`."""

from .cli import main

main()
