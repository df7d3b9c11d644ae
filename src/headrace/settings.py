"""Every setting, a frozen dataclass per room. Flags come before HEADRACE_<ROOM>_<NAME>, that before headrace.toml."""

from dataclasses import dataclass, field
from pathlib import Path

Millis = int

HOUR: Millis = 3_600_000


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Rows and bodies."""

    url: str = field(
        default="", repr=False
    )  # database; "": SQLite in the data folder; or postgresql://USER:PASSWORD@HOST/DATABASE
    blobs: str = ""  # "": a folder in the data folder; or another /folder, s3://bucket/prefix, azure://container/prefix
    readers: int = 2  # threads that read the database
    writers: int = 2  # connections that write to a PostgreSQL; SQLite has one writer
    sessions: str = "auto"  # locks and LISTEN of PostgreSQL sessions: on, off behind a pooler, auto: found out
    ballast: int = 64 << 20  # bytes kept to be given up on a full disk, at most a 16th of the disk; 0: none
    floor: int = 128 << 20  # bytes free on the disk, at most a 16th of it, below which nothing new is taken; 0: none


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The HTTP door."""

    host: str = "127.0.0.1"
    port: int = 8080
    grpc_port: int = 8081  # of the Open Inference Protocol's gRPC door, on the same host; 0: a free one; -1: closed
    public_url: str = ""  # what clients call us; "": what the request's Host header says
    json_limit: int = 64 << 20  # bytes of a JSON body
    upload_limit: int = 8 << 30  # bytes of an uploaded archive
    body_deadline: float = 60.0  # seconds between two pieces of a body, either way; then also 1 KiB a second at least
    connections: int = 1_000  # at once, of each door; a newcomer takes the place of the one that idles longest
    drain: float = 20.0  # seconds that open requests get when the server stops
    hold_results: float = 2.0  # seconds that GET /api/results waits for an unfinished job
    metrics_open: bool = False  # on loopback, GET /metrics needs no key
    metrics_port: int = -1  # GET /metrics also here, and nothing else, on the same host; 0: a free one; -1: closed
    origins: tuple[str, ...] = ()  # web pages, like https://example.com, whose scripts may call us (CORS); none


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """The first start."""

    account: str = "headrace"
    admin_email: str = "admin@localhost"
    admin_key_file: str = ""  # a file with `prefix.body` for unattended set-ups; "": made and shown once
    open: bool = False  # Open Inference without a key, as the administrator with the role Developer; on loopback only


@dataclass(frozen=True, slots=True)
class OipSettings:
    """The Open Inference Protocol."""

    server_name: str = "headrace"  # told by GET /v2; some clients' own tests insist on triton or mlserver
    body_limit: int = 64 << 20  # bytes of an inference request, also once it is unpacked
    bodies_limit: int = 1 << 30  # bytes of large requests that are not answered, all doors and connections together
    grpc_limit: int = 0x7FFFFFFF  # bytes of a gRPC message, also once it is unpacked; clients expect no limit
    patience: float = 60.0  # seconds that a request waits for a replica
    lenient: bool = False  # be ready although a version that should always run does not start
    base_path: str = ""  # like /serving: the routes are also found below it
    bare_numbers: bool = False  # JSON answers hold NaN and Infinity, as Triton's do, which is not JSON; else null
    cloudevents_headers: bool = False  # MLServer's Ce-… headers with every inference (gRPC: trailing metadata)
    forward_headers: str = ""  # a pattern: models see headers (gRPC: metadata) whose whole names match; never keys
    shared_memory: str = ""  # like /oip_: clients on this machine may share files of /dev/shm whose names begin so
    grpc_stream_profile: str = "triton"  # or mlserver: whose form answers of ModelStreamInfer have
    restricted: tuple[str, ...] = ()  # each "group,group:header=value": routes that ask for a header beside the key


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """The edge API: jobs and single inferences by gRPC, for Modzy's EdgeClient, which knows no keys."""

    port: int = -1  # 55000 is what its clients expect (`headrace serve --edge`); 0: a free one; -1: closed
    host: str = "127.0.0.1"  # on loopback nobody needs a key, and who has none is the administrator as Developer
    keep: float = 600.0  # seconds that the answer of a single inference can be asked for
    keep_bytes: int = 64 << 20  # bytes of them together; the oldest leave first


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """Replicas of all versions together."""

    engines: int = 0  # the most at once, all versions together; 0: twice the number of processors, at least 4
    idle_after: Millis = 300_000  # a replica without work is stopped after this
    first_delay: float = 0.5  # seconds before a failed replica is started again; doubled each time
    longest_delay: float = 60.0
    look: float = 1.0  # seconds between two looks while anything waits, works or starts; else five


@dataclass(frozen=True, slots=True)
class InferenceSettings:
    """Single requests that wait for a replica."""

    batch: int = 64  # the most that a replica gets at once; a model's own max_batch_size may ask for fewer
    batch_bytes: int = 64 << 20  # bytes of them together
    queue: int = 1_000  # the most that wait for one version; whoever comes then is told to come back
    queue_bytes: int = 256 << 20  # bytes of them together
    too_many: bool = False  # a full queue is told by HTTP as 429 Too Many Requests; else as 503, as Triton does
    slots: int = 256 << 20  # bytes of memory in which large ones lie for replicas to read there; 0: none
    sequences: int = 10_000  # the most that are remembered at once, all versions together
    sequence_idle: float = 600.0  # seconds without a request after which a sequence is forgotten
    cache: int = 64 << 20  # bytes of answers that are kept of models that allow it; 0: none
    calls: bool = True  # models may ask other models that their owner sees (BLS of Triton's Python backend)


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """What operators see. GET /metrics needs a key, unless server.metrics_open says otherwise."""

    access_log: str = "off"  # a line on standard error for each HTTP request: off, plain or json
    triton_names: bool = True  # tell inference counts by the names of Triton and KServe as well
    traces: bool = True  # a span from request to replica, where OpenTelemetry is installed
    events: str = field(default="", repr=False)  # URL that gets each inference's request and answers as CloudEvents
    events_queue: int = 1_000  # the most that wait for it; more are dropped, and counted
    events_bytes: int = 64 << 20  # bytes of them together


@dataclass(frozen=True, slots=True)
class RunnerSettings:
    """Model code outside our process."""

    sandbox: str = "auto"  # auto: bubblewrap where it works; require: refuse to start without; off
    engine: str = "auto"  # of container images. auto: docker or podman, as found; off; or like unix:///path/of/socket
    processes: int = 128  # a replica's processes and threads
    disk: int = 1 << 30  # bytes in a replica's own folder
    output: int = 256 << 20  # bytes of one input's outputs together
    stop_grace: float = 3.0  # seconds between SIGTERM and SIGKILL
    uv: str = ""  # path of uv; "": found, or fetched once


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """Model folders and container images that come in."""

    folders: tuple[str, ...] = ()  # folders on this server from which a deployment may name a path
    unpacked: int = 16 << 30  # bytes of one archive, unpacked
    files: int = 100_000  # files in one archive
    entries: int = 1_000_000  # files in one container image
    budget: int = 100 << 30  # bytes of all container images together, unpacked ones among them
    registries: tuple[str, ...] = ()  # host:port trusted at private addresses too; http://host:port: without TLS
    public: bool = True  # images also from registries that are not listed, by TLS and at public addresses only
    ca: str = ""  # a PEM file with certificate authorities for registries, beside those of the system


@dataclass(frozen=True, slots=True)
class JobSettings:
    """The job engine."""

    inputs: int = 1_000_000  # the most in one job
    piece: int = 8 << 20  # bytes of one uploaded piece of a file
    pieces: int = 500  # announced to clients; not a limit of ours
    input_size: int = 5 << 30  # bytes of one uploaded file
    waiting_inputs: int = 20_000_000  # the most in jobs of one account that are not over; 0: no limit
    waiting_bytes: int = 256 << 30  # bytes of their inputs; 0: no limit
    lease: Millis = 60_000  # a claim that is not renewed for so long is taken back, also from a server that seems alive
    target: float = 0.5  # seconds of work in one claim
    claim: int = 1_000  # the most inputs in one claim
    claim_bytes: int = 1 << 20
    strikes: int = 2  # replicas that may die at one input before it fails
    tries: int = 6  # faults of the platform (a body that cannot be read) that one input may meet before it fails
    retry_after: Millis = 500  # pause after the first such fault; doubled each time, a minute at most
    open_for: Millis = 24 * HOUR  # an open job that is not closed times out
    keep_inputs: int = 1  # hours after the end of the job (hoursDeleteInput)


@dataclass(frozen=True, slots=True)
class Settings:
    data: Path
    server: ServerSettings = field(default_factory=ServerSettings)
    storage: StorageSettings = field(default_factory=StorageSettings)
    accounts: AccountSettings = field(default_factory=AccountSettings)
    oip: OipSettings = field(default_factory=OipSettings)
    edge: EdgeSettings = field(default_factory=EdgeSettings)
    fleet: FleetSettings = field(default_factory=FleetSettings)
    inference: InferenceSettings = field(default_factory=InferenceSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    runners: RunnerSettings = field(default_factory=RunnerSettings)
    images: ImageSettings = field(default_factory=ImageSettings)
    jobs: JobSettings = field(default_factory=JobSettings)
