"""What can go wrong, as a tree. Every message says what was got, what is allowed and where to mend it.

LeewayError
├── ParamsError       params.yaml, policy.yaml or a LEEWAY_* variable
├── DataError         images, shards, manifest
├── TrainingError     a backbone, weights, a loss that is not finite
├── BundleError       a bundle that is incomplete, changed or does not answer as it should
├── StoreError        the database
│   ├── ConflictError the same id with other content
│   ├── HeldError     somebody else is at it
│   └── LogError      a prediction log that lies elsewhere
├── RegistryError     model versions and their aliases
├── WorkspaceError    the folder, its git and its DVC repository
├── AlertError        a channel that did not take a message
├── OverdueError      a night that nobody looked at in time
├── UnsoundError      `leeway doctor` found something that has to be mended
└── RefusedError      the gate said no, or nothing of what was given could be taken
"""

from collections.abc import Sequence


class LeewayError(Exception):
    """Root of the tree. The command line prints it as one line and exits with its `exit_code`."""

    exit_code = 2  # a mistake in the input


def in_one_line(error: Exception) -> str:
    """Returns what an error says, without line breaks; one that is not ours is named, since its words may not be."""
    words = " ".join(str(error).split())
    return words if isinstance(error, LeewayError) and words else f"{type(error).__name__}: {words}".removesuffix(": ")


def first_few(names: Sequence[str], most: int = 5, *, by: str = ", ") -> str:
    """Returns the names as a sentence lists them: the first ones, and how many more there are."""
    return by.join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


class ParamsError(LeewayError):
    """A setting is missing, unknown or of the wrong kind."""


class DataError(LeewayError):
    """Images or their records cannot be used."""


class TrainingError(LeewayError):
    """A model cannot be built or trained."""


class BundleError(LeewayError):
    """A bundle must not be served."""


class StoreError(LeewayError):
    """The database cannot be reached, or is not as it should be."""


class ConflictError(StoreError):
    """An id that is already recorded came with other content."""


class HeldError(StoreError):
    """Somebody else holds what was claimed, or took it over meanwhile."""

    def __init__(self, message: str, *, holder: str) -> None:
        super().__init__(message)
        self.holder = holder


class LogError(StoreError):
    """A prediction log that lies elsewhere cannot be read, or is not as it should be."""


class RegistryError(LeewayError):
    """A model version or alias is not there, or did not read back."""


class WorkspaceError(LeewayError):
    """The folder is not a workspace, or its git or DVC repository refused."""


class AlertError(LeewayError):
    """An alert could not be delivered."""


class OverdueError(LeewayError):
    """A night that is over was not looked at in time, or nothing is watched."""

    exit_code = 1


class UnsoundError(LeewayError):
    """Something that a workspace needs does not work, or will not."""

    exit_code = 1


class RefusedError(LeewayError):
    """What was asked for was understood and refused, or nothing of what was given could be taken."""

    exit_code = 1
