"""The tables of the job engine. Inputs are stored by the chunk, claimed and finished by the run, never one by one.

job      one row: its counts, and `next`: the ordinal of the first input that nobody has claimed yet
chunk    up to 1,000 inputs or 1 MB of a job, framed in one row, with their names beside them
lease    a run of ordinals that a server works on (token set), that came back (token null), or waits to (due set)
segment  a run of results, written by whoever held the lease
dead     an input that failed without an answer of its model: it may be tried again in a new job
flow     a tree for each version, version → team → user: by their virtual times they share its replicas (fair.py)
share    the weight of a team or a user in that tree, where it is not 1
load     what an account has in jobs that are not over: kept, so that a limit costs one statement
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from headrace.storage.schema import metadata, partial_index

BIG = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only for INTEGER keys

job = Table(
    "job",
    metadata,
    Column("number", BIG, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("account", String(64), nullable=False),
    Column("team", String(64), nullable=False),
    Column("user", String(64), nullable=False),
    Column("key", String(64), nullable=False),
    Column("model", String(64), nullable=False),
    Column("version", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("explain", Boolean, nullable=False),
    Column("timeout", BigInteger, nullable=False),
    Column("deadline", BigInteger),
    Column("total", BigInteger, nullable=False),
    Column("completed", BigInteger, nullable=False, default=0),
    Column("failed", BigInteger, nullable=False, default=0),
    Column("canceled", BigInteger, nullable=False, default=0),
    Column("input_bytes", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("submitted", BigInteger, nullable=False),
    Column("started", BigInteger),
    Column("ended", BigInteger),
    Column("queue_total", BigInteger, nullable=False, default=0),
    Column("latency_total", Float, nullable=False, default=0.0),
    Column("hours_delete_input", Integer, nullable=False),
    Column("drop_inputs_at", BigInteger),  # set when the job ends, null again when its inputs are gone
    Column("next", BigInteger, nullable=False, default=0),
    Column("ready", BigInteger, nullable=False, default=0),
    Column("vtime", Float, nullable=False, default=0.0),
    Column("priority", Integer, nullable=False, default=10),  # a weight among the jobs of one user
    Column("dead", BigInteger, nullable=False, default=0),  # of `failed`: rows in `dead` that were not tried again
)
partial_index(
    "ix_job_ready", job.c.model, job.c.version, job.c.team, job.c.user, job.c.vtime, job.c.number, where=job.c.ready > 0
)
Index("ix_job_account_created", job.c.account, job.c.created)
partial_index("ix_job_dead", job.c.account, job.c.number, where=job.c.dead > 0)
partial_index("ix_job_deadline", job.c.deadline, where=job.c.deadline.is_not(None))
partial_index("ix_job_drop_inputs_at", job.c.drop_inputs_at, where=job.c.drop_inputs_at.is_not(None))

chunk = Table(
    "chunk",
    metadata,
    Column("job", BIG, ForeignKey("job.number", ondelete="CASCADE"), primary_key=True),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("length", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("names", LargeBinary, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)

lease = Table(
    "lease",
    metadata,
    Column("id", BIG, primary_key=True, autoincrement=True),
    Column("job", BIG, ForeignKey("job.number", ondelete="CASCADE"), nullable=False, index=True),
    Column("first", BigInteger, nullable=False),
    Column("length", Integer, nullable=False),
    Column("token", String(16)),
    Column("server", String(64)),  # who holds it, while the token is set
    Column("until", BigInteger),  # renewed by that server; one that is never renewed is taken back
    Column("strikes", Integer, nullable=False, default=0),  # replicas that died at it
    Column("tries", Integer, nullable=False, default=0),  # faults of ours that it met
    Column("due", BigInteger),  # after a fault of ours: when it goes back into the queue
)
partial_index("ix_lease_server", lease.c.server, where=lease.c.server.is_not(None))
partial_index("ix_lease_due", lease.c.due, where=lease.c.due.is_not(None))

segment = Table(
    "segment",
    metadata,
    Column("job", BIG, ForeignKey("job.number", ondelete="CASCADE"), primary_key=True),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("length", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

dead = Table(
    "dead",
    metadata,
    Column("job", BIG, ForeignKey("job.number", ondelete="CASCADE"), primary_key=True),
    Column("ordinal", BigInteger, primary_key=True, autoincrement=False),
    Column("input_name", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("died", BigInteger, nullable=False),
    Column("redriven", String(36)),  # the job in which it was tried again
)

flow = Table(
    "flow",
    metadata,
    Column("model", String(64), primary_key=True),
    Column("version", String(64), primary_key=True),
    Column("node", String(160), primary_key=True),  # "": the version; /team; /team/user
    Column("parent", String(160)),  # null: this is the version
    Column("ready", BigInteger, nullable=False),  # claimable inputs here and below
    Column("vtime", Float, nullable=False),  # among the children of its parent
    Column("clock", Float, nullable=False),  # the virtual time of the child that was served last
    Column("weight", Float, nullable=False),
)
partial_index("ix_flow_ready", flow.c.model, flow.c.version, flow.c.parent, flow.c.vtime, where=flow.c.ready > 0)

share = Table(
    "share",
    metadata,
    Column("node", String(160), primary_key=True),  # as in flow
    Column("weight", Float, nullable=False),
)

load = Table(
    "load",
    metadata,
    Column("account", String(64), primary_key=True),
    Column("jobs", BigInteger, nullable=False),
    Column("inputs", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)

upload = Table(
    "upload",
    metadata,
    Column("number", BIG, primary_key=True, autoincrement=True),
    Column("job", BIG, ForeignKey("job.number", ondelete="CASCADE"), nullable=False),
    Column("input_name", Text, nullable=False),
    Column("model_key", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    UniqueConstraint("job", "input_name", "model_key"),
    sqlite_autoincrement=True,  # a number is the name of a file too: it is never given twice
)

upload_piece = Table(
    "upload_piece",
    metadata,
    Column("upload", BIG, ForeignKey("upload.number", ondelete="CASCADE"), primary_key=True),
    Column("first", BigInteger, primary_key=True),  # the place of its first byte in the file
    Column("size", BigInteger, nullable=False),
    Column("digest", String(64)),  # of a large one
    Column("body", LargeBinary),  # a small one
)

blob_use = Table(
    "blob_use",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("job", BIG, ForeignKey("job.number", ondelete="CASCADE"), primary_key=True),
    Column("is_input", Boolean, primary_key=True),
)

vote = Table(
    "vote",
    metadata,
    Column("job", BIG, ForeignKey("job.number", ondelete="CASCADE"), primary_key=True),
    Column("input_name", Text, primary_key=True),
    Column("user", String(64), primary_key=True),
    Column("up", Boolean, nullable=False),
)
