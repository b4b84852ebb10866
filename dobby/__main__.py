"""`python -m dobby` is `dobby`."""

from dobby.cli import main

main()
