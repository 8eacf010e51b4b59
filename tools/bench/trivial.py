"""A handler that does nothing: what AWS's runtime client takes by itself."""


def handler(_event: object, _context: object) -> None:
    """Do nothing."""
