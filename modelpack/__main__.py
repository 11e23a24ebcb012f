"""`python -m modelpack` is the command `modelpack`."""

from modelpack.cli import main

main()
