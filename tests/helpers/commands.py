"""The command line `cxr`, run in this process."""

from cxr.commands import cli


def call(*words: object) -> None:
    """Run a command, without catching its exceptions."""
    cli.cxr([str(word) for word in words], standalone_mode=False)
