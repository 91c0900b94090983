"""The one exception of this package."""


class DataError(ValueError):
    """Bad input data. The message is complete for a user: where, what was found, what was wanted, what to do next."""
