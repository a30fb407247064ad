"""The one way in which images are refused."""


class DatasetError(ValueError):
    """A set of images that can't be used; ``code`` is for programs, the message names the thing, the value and the fix.

    Attributes:
        code: snake_case, stable: tests, the API and the page rely on it.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
