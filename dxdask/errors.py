"""The errors dxdask raises: one base, each saying what, where, which value, and what to do."""


class DxdaskError(Exception):
    """Base of every error that dxdask raises on purpose; its message is fit to show a user."""


class InputError(DxdaskError, ValueError):
    """The data given cannot be processed as they are."""


class ParameterError(DxdaskError, ValueError):
    """A parameter is unknown, ill-typed or contradicts another (wrong usage: exit status 2)."""


class SchemaError(DxdaskError, ValueError):
    """A table or a store does not have the columns, dtypes or version its schema asks for."""


class ChunkError(DxdaskError, ValueError):
    """An array is chunked in a way the graph cannot work on."""


class StoreNotFoundError(DxdaskError, FileNotFoundError):
    """No store, or no such group in it."""


class StoreExistsError(DxdaskError, FileExistsError):
    """A store stands already where one was to be created."""


class StoreLockedError(DxdaskError):
    """Another process is writing to the store."""


class StoreWriteError(DxdaskError, OSError):
    """The file system refused what was to be written: no rights, no space, no such folder."""


class FormatError(DxdaskError, ValueError):
    """A raw file is truncated, inconsistent or of a format that is not known."""


class LinkedFileError(DxdaskError, OSError):
    """A raw file that a store refers to has moved, shrunk or changed."""


class MemoryBudgetError(DxdaskError):
    """A task would need more memory than a worker has."""


class ConvergenceError(DxdaskError):
    """An iterative method found no solution."""


class ClusterError(DxdaskError):
    """Workers could not be started, reached or kept."""


def plain(error: BaseException) -> str:
    """Return the message of `error` on one line, with its type where dxdask did not raise it."""
    text = " ".join(str(error).split())
    return text if isinstance(error, DxdaskError) else f"{type(error).__name__}: {text}"
