"""Reads LTI Advantage Names and Role Provisioning Services 2.0: who learns and who teaches in one course.

Read 2026-11, imsglobal.org/spec/lti-nrps/v2p0 and the role vocabularies of imsglobal.org/spec/lti/v1p3 (annex A).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from yarl import URL

from qos_monitor.errors import InputError
from qos_monitor.importing.draft import Draft
from qos_monitor.importing.remote import PAGES_MAX, Remote, told
from rules.document import Invalid, Problem

SCOPE = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
MEDIA_TYPE = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"
PERSON_KEYS: tuple[str, ...] = ("user_id", "lis_person_sourcedid", "email")
"""What of a member may be the id that the provider and our roster know."""
_MEMBERSHIP = "http://purl.imsglobal.org/vocab/lis/v2/membership"
_ROLE = re.compile(rf"{re.escape(_MEMBERSHIP)}(?:/(\w+))?#(\w+)", re.ASCII)
_TEST_USER = "http://purl.imsglobal.org/vocab/lti/system/person#TestUser"
_STATUSES = {"active": True, "inactive": False, "deleted": False}


@dataclass(frozen=True, slots=True)
class Person:
    """One member as the last word about them has it."""

    id: str
    is_active: bool
    is_teacher: bool = False
    is_learner: bool = False
    is_assistant: bool = False


@dataclass(frozen=True, slots=True)
class Container:
    """All pages, and where the changes since then can be asked for later."""

    pages: Sequence[object]
    differences: URL | None


async def fetched(remote: Remote, url: URL) -> Container:
    """Fetch every page. Raises InputError, Invalid or SourceTrouble; the token goes to no other server."""
    pages: list[object] = []
    differences: URL | None = None
    asked: set[URL] = set()
    following: URL | None = url
    while following is not None:
        if following in asked or len(asked) == PAGES_MAX:
            raise InputError([Problem(told(url), "must come to an end: a page names one before it as the next")])
        asked.add(following)
        answer = await remote.get(following, (MEDIA_TYPE, "application/json"))
        pages.append(answer.value)
        differences = answer.links.get("differences", differences)
        following = answer.links.get("next")
        if following is not None and following.origin() != url.origin():
            raise InputError([Problem(told(url), "must name a next page on the same server, and names another")])
    return Container(pages, differences if differences and differences.origin() == url.origin() else None)


def read(pages: Iterable[object], person: str, draft: Draft) -> Mapping[str, Person]:
    """Read the members of every page by id; what is wrong is noted in the draft, named ``members[17]`` over all pages.

    Who is told twice counts as told last. Raises Invalid where a page is no container.
    """
    people: dict[str, Person] = {}
    index = 0
    for page in pages:
        members = page.get("members") if isinstance(page, dict) else None
        if not isinstance(members, list):
            raise Invalid([Problem("members", "must be a list in every page")])
        for member in members:
            found = _member(member, f"members[{index}]", person, draft)
            if found is not None:
                people[found.id] = found
            index += 1
    return people


def _member(member: object, place: str, key: str, draft: Draft) -> Person | None:
    if not isinstance(member, dict):
        draft.note(place, "must be an object")
        return None
    known = len(draft.problems)
    person_id, status, roles = member.get(key), member.get("status", "Active"), member.get("roles")
    if not (isinstance(person_id, str) and person_id.strip()):
        draft.note(f"{place} {key}", "must be a text that is not empty: it is the person's id (--person)")
    if not (isinstance(status, str) and status.lower() in _STATUSES):
        draft.note(f"{place} status", "must be Active, Inactive or Deleted")
    if not (isinstance(roles, list) and all(isinstance(role, str) for role in roles)):
        if isinstance(status, str) and _STATUSES.get(status.lower(), True):
            draft.note(f"{place} roles", "must be a list of texts")
        roles = []
    if len(draft.problems) > known:
        return None
    if _TEST_USER in roles:
        draft.skipped.append(f"{place}: a test user")
        return None
    return _person(str(person_id).strip(), roles, place, draft, is_active=_STATUSES[str(status).lower()])


def _person(person_id: str, roles: Sequence[str], place: str, draft: Draft, *, is_active: bool) -> Person | None:
    """Take the roles in this course alone: a head of school may learn here, a pupil's parent does not."""
    if not is_active:
        draft.skipped.append(f"{place}: not active")
        return Person(person_id, is_active=False)
    names = {name for role in roles for name in _names(role)}
    if not names & {"Instructor", "Learner"}:
        draft.skipped.append(f"{place}: neither learner nor instructor of this course")
        return Person(person_id, is_active=False)
    is_teacher = "Instructor" in names
    return Person(
        person_id,
        is_active=True,
        is_teacher=is_teacher,
        is_learner=not is_teacher,
        is_assistant="TeachingAssistant" in names,
    )


def _names(role: str) -> Iterable[str]:
    """Give a simple name (``Learner``), or principal role and sub-role (``membership/Learner#GuestLearner``)."""
    match = _ROLE.fullmatch(role)
    if match is None:
        return (role,) if role.isidentifier() else ()
    return tuple(name for name in match.groups() if name)
