"""The tables of the job engine in the first schema."""

import sqlalchemy as sa
from alembic import op


def upgrade() -> None:
    _flow()
    _flow_indexes()
    _job()
    _job_indexes()
    _load()
    _share()
    _blob_use()
    _chunk()
    _dead()
    _lease()
    _lease_indexes()
    _segment()
    _upload()
    _upload_piece()
    _vote()


def downgrade() -> None:
    """Their indexes go with them."""
    for table in ("vote", "upload_piece", "upload", "segment", "lease", "dead", "chunk"):
        op.drop_table(table)
    for table in ("blob_use", "share", "load", "job", "flow"):
        op.drop_table(table)


def _flow() -> None:
    op.create_table(
        "flow",
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("node", sa.String(length=160), nullable=False),
        sa.Column("parent", sa.String(length=160), nullable=True),
        sa.Column("ready", sa.BigInteger(), nullable=False),
        sa.Column("vtime", sa.Float(), nullable=False),
        sa.Column("clock", sa.Float(), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", "node", name=op.f("pk_flow")),
    )


def _flow_indexes() -> None:
    with op.batch_alter_table("flow", schema=None) as batch_op:
        batch_op.create_index(
            "ix_flow_ready",
            ["model", "version", "parent", "vtime"],
            unique=False,
            sqlite_where=sa.text("ready > 0"),
            postgresql_where=sa.text("ready > 0"),
        )


def _job() -> None:
    op.create_table(
        "job",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("team", sa.String(length=64), nullable=False),
        sa.Column("user", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("explain", sa.Boolean(), nullable=False),
        sa.Column("timeout", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=True),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("completed", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("canceled", sa.BigInteger(), nullable=False),
        sa.Column("input_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("submitted", sa.BigInteger(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=True),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.Column("queue_total", sa.BigInteger(), nullable=False),
        sa.Column("latency_total", sa.Float(), nullable=False),
        sa.Column("hours_delete_input", sa.Integer(), nullable=False),
        sa.Column("drop_inputs_at", sa.BigInteger(), nullable=True),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sa.Column("ready", sa.BigInteger(), nullable=False),
        sa.Column("vtime", sa.Float(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("dead", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_job")),
        sa.UniqueConstraint("id", name=op.f("uq_job_id")),
    )


def _job_indexes() -> None:
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.create_index("ix_job_account_created", ["account", "created"], unique=False)
        batch_op.create_index(
            "ix_job_dead",
            ["account", "number"],
            unique=False,
            sqlite_where=sa.text("dead > 0"),
            postgresql_where=sa.text("dead > 0"),
        )
        batch_op.create_index(
            "ix_job_deadline",
            ["deadline"],
            unique=False,
            sqlite_where=sa.text("deadline IS NOT NULL"),
            postgresql_where=sa.text("deadline IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_job_drop_inputs_at",
            ["drop_inputs_at"],
            unique=False,
            sqlite_where=sa.text("drop_inputs_at IS NOT NULL"),
            postgresql_where=sa.text("drop_inputs_at IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_job_ready",
            ["model", "version", "team", "user", "vtime", "number"],
            unique=False,
            sqlite_where=sa.text("ready > 0"),
            postgresql_where=sa.text("ready > 0"),
        )


def _load() -> None:
    op.create_table(
        "load",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("jobs", sa.BigInteger(), nullable=False),
        sa.Column("inputs", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_load")),
    )


def _share() -> None:
    op.create_table(
        "share",
        sa.Column("node", sa.String(length=160), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_share")),
    )


def _blob_use() -> None:
    op.create_table(
        "blob_use",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("job", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("is_input", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["job.number"], name=op.f("fk_blob_use_job"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", "job", "is_input", name=op.f("pk_blob_use")),
    )


def _chunk() -> None:
    op.create_table(
        "chunk",
        sa.Column("job", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("first", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("names", sa.LargeBinary(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["job.number"], name=op.f("fk_chunk_job"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job", "first", name=op.f("pk_chunk")),
    )


def _dead() -> None:
    op.create_table(
        "dead",
        sa.Column("job", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("input_name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("died", sa.BigInteger(), nullable=False),
        sa.Column("redriven", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(["job"], ["job.number"], name=op.f("fk_dead_job"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job", "ordinal", name=op.f("pk_dead")),
    )


def _lease() -> None:
    op.create_table(
        "lease",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("job", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(length=16), nullable=True),
        sa.Column("server", sa.String(length=64), nullable=True),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("strikes", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["job"], ["job.number"], name=op.f("fk_lease_job"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lease")),
    )


def _lease_indexes() -> None:
    with op.batch_alter_table("lease", schema=None) as batch_op:
        batch_op.create_index(
            "ix_lease_due",
            ["due"],
            unique=False,
            sqlite_where=sa.text("due IS NOT NULL"),
            postgresql_where=sa.text("due IS NOT NULL"),
        )
        batch_op.create_index(batch_op.f("ix_lease_job"), ["job"], unique=False)
        batch_op.create_index(
            "ix_lease_server",
            ["server"],
            unique=False,
            sqlite_where=sa.text("server IS NOT NULL"),
            postgresql_where=sa.text("server IS NOT NULL"),
        )


def _segment() -> None:
    op.create_table(
        "segment",
        sa.Column("job", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("first", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["job.number"], name=op.f("fk_segment_job"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job", "first", name=op.f("pk_segment")),
    )


def _upload() -> None:
    op.create_table(
        "upload",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("job", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("input_name", sa.Text(), nullable=False),
        sa.Column("model_key", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["job.number"], name=op.f("fk_upload_job"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_upload")),
        sa.UniqueConstraint("job", "input_name", "model_key", name=op.f("uq_upload_job_input_name_model_key")),
        sqlite_autoincrement=True,
    )


def _upload_piece() -> None:
    op.create_table(
        "upload_piece",
        sa.Column("upload", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["upload"], ["upload.number"], name=op.f("fk_upload_piece_upload"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("upload", "first", name=op.f("pk_upload_piece")),
    )


def _vote() -> None:
    op.create_table(
        "vote",
        sa.Column("job", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("input_name", sa.Text(), nullable=False),
        sa.Column("user", sa.String(length=64), nullable=False),
        sa.Column("up", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["job.number"], name=op.f("fk_vote_job"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job", "input_name", "user", name=op.f("pk_vote")),
    )
