"""Reads from CSV whose a provider's uid, account, identity or address is."""

from qos_monitor.identities import Identity, problems_of
from qos_monitor.importing.draft import Draft
from qos_monitor.importing.table import Columns, lines

COLUMNS: Columns = Columns(("provider", "name", "person_id"))
"""The header; no cell may be blank. A name is taken from a person by JSON alone, so that no blank does it unmeant."""


def read(name: str, body: bytes) -> list[Identity]:
    """Read a file. Raises Invalid with every problem, each with the line it comes from."""
    draft = Draft()
    found = []
    for line in lines(name, body, COLUMNS, draft):
        cells = {column: line.text(column) for column in COLUMNS.required}
        for column, cell in cells.items():
            if not cell:
                draft.note(f"{line.place} {column}", "must be a text that is not empty")
        if all(cells.values()):
            found.append((f"{line.place} ", Identity(cells["provider"], cells["name"], cells["person_id"])))
    draft.problems += problems_of(found)
    draft.roster()  # holds no row of a roster, and tells every problem in the order of the lines
    return [one for _, one in found]
