"""Errors whose message is written for the user: shown as one line, without a traceback."""


class AvlibError(Exception):
    """Base of all errors that the user can mend."""


class ConfigError(AvlibError):
    """A setting is wrong; the message names its key."""


class DataError(AvlibError):
    """An annotation, table or media file is wrong; the message names the file and the row."""


class CheckpointError(AvlibError):
    """A weights file does not fit the network, or needs more than weights to be read."""


class UnsafePickleError(AvlibError):
    """A pickle names objects that tables never contain; nothing of it was executed."""


class LockedError(AvlibError):
    """Another process is at work in the folder; the message names it."""
