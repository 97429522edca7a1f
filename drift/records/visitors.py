"""Who asks for something, and what that one may see and do."""

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase


class Role(StrEnum):
    """A viewer reads. An operator also changes things and sees inputs. A sender sends rows and tells of retraining."""

    SENDER = "sender"
    VIEWER = "viewer"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody, or a program, by name. `tenants` are patterns: streams of those tenants are seen, and no others.

    What belongs to no tenant is seen by those who see every one.
    """

    name: str
    role: Role
    tenants: tuple[str, ...] = ("*",)

    @property
    def sees_all(self) -> bool:
        return "*" in self.tenants

    def sees(self, tenant: str) -> bool:
        """Whether streams of `tenant` are seen; "" stands for none."""
        return self.sees_all or (bool(tenant) and any(fnmatchcase(tenant, pattern) for pattern in self.tenants))
