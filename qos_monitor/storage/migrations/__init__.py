"""The history of the tables, applied at start; alembic reads this folder from the installed package."""
