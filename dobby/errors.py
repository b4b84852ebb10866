"""What can go wrong, in a tree whose texts may be shown to a person.

It does not know where an error is caught: devices' errors are caught in `act`, providers' in the bridges.
"""


class DobbyError(Exception):
    """Root of every error of ours; its text is a plain sentence for a person."""


# Setting up


class ConfigError(DobbyError):
    """The config file says something Dobby cannot follow."""


class SkillError(DobbyError):
    """A skill's folder cannot be loaded or breaks its contract."""


# Keeping


class StoreError(DobbyError):
    """A durable file could not be read or written; nothing was half-written."""


class SchemaTooNew(StoreError):
    """The file was written by a newer Dobby; it was left untouched."""


class DiskFull(StoreError):
    """There is no room to keep it, so it was not accepted."""


class IllegalMove(StoreError):
    """A row may not go there from where it stands; nothing was changed."""


class Closed(StoreError):
    """Dobby is stopping: nothing more is kept."""


class Locked(StoreError):
    """Another Dobby already uses this state folder."""


# Devices: what is known about an attempt


class DeviceError(DobbyError):
    """A device did not do as asked."""


class Refused(DeviceError):
    """The device said no: it was not done."""


class Unreachable(DeviceError):
    """The device was never reached: it was not done."""


class Unsure(DeviceError):
    """The command may have arrived: look before trying again."""
