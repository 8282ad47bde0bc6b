"""Errors that the user can fix."""


class UserError(Exception):
    """A mistake in the user's settings or files.

    The message is one line that says what is wrong, where, and how to fix it.
    """
