"""Alembic's entry: runs the revisions on the connection that headrace.storage.migrate hands over."""

from alembic import context

from headrace.storage.schema import metadata, tell_conditions

tell_conditions(metadata)
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter a column in place
)
with context.begin_transaction():
    context.run_migrations()
