"""Runs the migrations on the connection it is given; alembic executes this file by its path."""

from alembic import context

from qos_monitor.storage.tables import metadata

connection = context.config.attributes.get("connection")
if connection is None:  # only the text is wanted: `upgrade --sql`
    context.configure(
        dialect_name=context.config.attributes["dialect_name"], target_metadata=metadata, literal_binds=True
    )
else:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",  # SQLite cannot alter a column in place
        transactional_ddl=True,  # the caller said BEGIN IMMEDIATE, so a half-done migration rolls back
    )
with context.begin_transaction():
    context.run_migrations()
