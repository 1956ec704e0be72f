"""A file of identities gives identities that any database takes, or problems, whatever its bytes."""

from collections.abc import Callable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from collectors import registry
from qos_monitor import identities
from qos_monitor.identities import Identity
from qos_monitor.importing import identity_sheet
from qos_monitor.storage.rows import is_plain
from rules.document import Invalid

KNOWN = registry.known()
GOOD = 'provider,name,person_id\nagora,42,u1\nzoom,"wang, li",u2\n'
CELLS = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(["agora", "zoom", "42", "u1", " ", "\0"])
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | CELLS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["provider", "name", "person_id", "identities", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


def usable(read: Callable[[], Sequence[Identity]]) -> bool:
    """Read, and look at what was read; False where problems were told."""
    try:
        found = read()
    except Invalid as invalid:
        return not invalid.problems
    for one in found:
        assert one.provider in KNOWN
        assert one.name
        assert is_plain(one.name, 200)
        assert is_plain(one.person_id, 200)
    assert len({(one.provider, one.name) for one in found}) == len(found)
    return True


def test_a_good_file_is_read_with_its_quotes_and_in_any_order_of_columns() -> None:
    turned = "person_id,name,provider\nu1,42,agora\n"

    assert identity_sheet.read("p.csv", GOOD.encode()) == [
        Identity("agora", "42", "u1"),
        Identity("zoom", "wang, li", "u2"),
    ]
    assert identity_sheet.read("p.csv", turned.encode("utf-8-sig")) == [Identity("agora", "42", "u1")]


@settings(max_examples=300)
@given(st.lists(st.lists(CELLS, min_size=2, max_size=4), max_size=4), st.integers(0, 60), st.binary(max_size=4))
def test_a_mutated_file_gives_identities_or_problems(rows: list[list[str]], at: int, put: bytes) -> None:
    body = (GOOD + "".join(",".join(row) + "\n" for row in rows)).encode()

    usable(lambda: identity_sheet.read("p.csv", body))
    usable(lambda: identity_sheet.read("p.csv", body[:at] + put + body[at:]))
    usable(lambda: identity_sheet.read("p.csv", put))


@settings(max_examples=300)
@given(JSONS)
def test_any_json_gives_identities_or_problems(document: object) -> None:
    usable(lambda: identities.read(document))
    usable(lambda: identities.read({"identities": [document, {"provider": "agora", "name": "1", "person_id": None}]}))
