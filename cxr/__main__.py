"""`python -m cxr`: the same as the command `cxr`, where that is not installed."""

from cxr.commands.cli import main

if __name__ == "__main__":
    main()
