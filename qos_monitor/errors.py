"""The one tree of what can go wrong; each class says whether trying again can help."""

from collections.abc import Sequence
from typing import ClassVar

from rules.document import Problem


class QosError(Exception):
    """Anything this program raises on purpose.

    The message says what to change; it never holds a secret or a learner's data.
    """

    can_retry: ClassVar[bool] = False


class SettingsError(QosError):
    """Settings that cannot be used; holds every mistake, not the first alone."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class InputError(QosError):
    """A file or a request that does not have the documented shape; holds every problem with its path."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Overloaded(QosError):  # noqa: N818 - said to the sender, as `Refused` is
    """More is waiting for the disk than we allow. The sender should try again in a moment."""

    can_retry: ClassVar[bool] = True


class StorageTrouble(QosError):  # noqa: N818 - said to the sender, as `Refused` is
    """The database did not take what we gave it, for reasons of its own. The sender should try again."""

    can_retry: ClassVar[bool] = True


class SourceTrouble(QosError):  # noqa: N818 - said of the other side, as `StorageTrouble` is
    """A system that we asked did not answer, for reasons of its own. Whoever started the import should try again."""

    can_retry: ClassVar[bool] = True


class RowRefused(QosError):  # noqa: N818 - said to the sender, as `Refused` is
    """The database will never take this row as it is; its neighbours were stored."""


class Stopping(QosError):  # noqa: N818 - said to the sender, as `Refused` is
    """The service is about to stop and takes nothing new; the next start will."""

    can_retry: ClassVar[bool] = True
