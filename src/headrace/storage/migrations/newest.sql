CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE artefact (
	name VARCHAR NOT NULL,
	digest VARCHAR(64) NOT NULL,
	size BIGINT NOT NULL,
	created BIGINT NOT NULL,
	CONSTRAINT pk_artefact PRIMARY KEY (name)
);
CREATE TABLE custom_tags (
	id VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	kind VARCHAR NOT NULL,
	CONSTRAINT pk_custom_tags PRIMARY KEY (id)
);
CREATE TABLE image_sources (
	model VARCHAR NOT NULL,
	version VARCHAR NOT NULL,
	form VARCHAR NOT NULL,
	path VARCHAR NOT NULL,
	filename VARCHAR NOT NULL,
	size BIGINT NOT NULL,
	sealed VARCHAR NOT NULL,
	CONSTRAINT pk_image_sources PRIMARY KEY (model, version)
);
CREATE TABLE installation (
	name VARCHAR(64) NOT NULL,
	value VARCHAR NOT NULL,
	CONSTRAINT pk_installation PRIMARY KEY (name)
);
CREATE TABLE models (
	id VARCHAR NOT NULL,
	account VARCHAR NOT NULL,
	team VARCHAR NOT NULL,
	owner VARCHAR NOT NULL,
	author VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	scope VARCHAR NOT NULL,
	active BOOLEAN NOT NULL,
	created BIGINT NOT NULL,
	updated BIGINT NOT NULL,
	last_used BIGINT,
	document BLOB NOT NULL,
	CONSTRAINT pk_models PRIMARY KEY (id)
);
CREATE TABLE once (
	id VARCHAR(64) NOT NULL,
	route TEXT NOT NULL,
	print VARCHAR(64) NOT NULL,
	server VARCHAR(64) NOT NULL,
	made TEXT,
	status INTEGER,
	media_type TEXT,
	body BLOB,
	created BIGINT NOT NULL,
	CONSTRAINT pk_once PRIMARY KEY (id)
);
CREATE INDEX ix_once_created ON once (created);
CREATE TABLE quotas (
	id VARCHAR NOT NULL,
	scope VARCHAR NOT NULL,
	subject VARCHAR NOT NULL,
	allowed BIGINT NOT NULL,
	period VARCHAR,
	starts BIGINT,
	ends BIGINT,
	used BIGINT NOT NULL,
	window_start BIGINT NOT NULL,
	since BIGINT NOT NULL,
	CONSTRAINT pk_quotas PRIMARY KEY (id)
);
CREATE INDEX ix_quotas_subject ON quotas (subject);
CREATE TABLE server (
	id VARCHAR(64) NOT NULL,
	lock INTEGER NOT NULL,
	session BOOLEAN NOT NULL,
	host VARCHAR NOT NULL,
	pid INTEGER NOT NULL,
	started BIGINT NOT NULL,
	seen BIGINT NOT NULL,
	beat BIGINT NOT NULL,
	leads BOOLEAN NOT NULL,
	told BLOB NOT NULL,
	CONSTRAINT pk_server PRIMARY KEY (id)
);
CREATE TABLE step_turn (
	model VARCHAR NOT NULL,
	version VARCHAR NOT NULL,
	kind VARCHAR(16) NOT NULL,
	server VARCHAR(64) NOT NULL,
	CONSTRAINT pk_step_turn PRIMARY KEY (model, version, kind)
);
CREATE TABLE teams (
	id VARCHAR NOT NULL,
	account VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	CONSTRAINT pk_teams PRIMARY KEY (id),
	CONSTRAINT uq_teams_account_name UNIQUE (account, name)
);
CREATE TABLE users (
	id VARCHAR NOT NULL,
	account VARCHAR NOT NULL,
	external_identifier VARCHAR NOT NULL,
	email VARCHAR NOT NULL,
	email_folded VARCHAR NOT NULL,
	first_name VARCHAR NOT NULL,
	last_name VARCHAR NOT NULL,
	title VARCHAR NOT NULL,
	status VARCHAR NOT NULL,
	created BIGINT NOT NULL,
	CONSTRAINT pk_users PRIMARY KEY (id),
	CONSTRAINT uq_users_account_email_folded UNIQUE (account, email_folded)
);
CREATE TABLE api_keys (
	prefix VARCHAR NOT NULL,
	digest BLOB NOT NULL,
	account VARCHAR NOT NULL,
	user VARCHAR NOT NULL,
	team VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	roles VARCHAR NOT NULL,
	is_default BOOLEAN NOT NULL,
	is_first BOOLEAN NOT NULL,
	key_status VARCHAR NOT NULL,
	key_created BIGINT NOT NULL,
	last_used BIGINT,
	CONSTRAINT pk_api_keys PRIMARY KEY (prefix),
	CONSTRAINT fk_api_keys_team FOREIGN KEY(team) REFERENCES teams (id),
	CONSTRAINT fk_api_keys_user FOREIGN KEY(user) REFERENCES users (id)
);
CREATE INDEX ix_api_keys_user ON api_keys (user);
CREATE TABLE model_versions (
	model VARCHAR NOT NULL,
	version VARCHAR NOT NULL,
	status VARCHAR NOT NULL,
	unfinished BOOLEAN NOT NULL,
	created BIGINT NOT NULL,
	updated BIGINT NOT NULL,
	document BLOB NOT NULL,
	CONSTRAINT pk_model_versions PRIMARY KEY (model, version),
	CONSTRAINT fk_model_versions_model FOREIGN KEY(model) REFERENCES models (id)
);
CREATE INDEX ix_model_versions_status ON model_versions (status);
CREATE INDEX ix_model_versions_unfinished ON model_versions (unfinished);
CREATE TABLE test_inputs (
	model VARCHAR NOT NULL,
	version VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	filename VARCHAR NOT NULL,
	inline BLOB,
	digest VARCHAR,
	size BIGINT NOT NULL,
	CONSTRAINT pk_test_inputs PRIMARY KEY (model, version, name),
	CONSTRAINT fk_test_inputs_model_version FOREIGN KEY(model, version) REFERENCES model_versions (model, version)
);
CREATE TABLE flow (
	model VARCHAR(64) NOT NULL,
	version VARCHAR(64) NOT NULL,
	node VARCHAR(160) NOT NULL,
	parent VARCHAR(160),
	ready BIGINT NOT NULL,
	vtime FLOAT NOT NULL,
	clock FLOAT NOT NULL,
	weight FLOAT NOT NULL,
	CONSTRAINT pk_flow PRIMARY KEY (model, version, node)
);
CREATE INDEX ix_flow_ready ON flow (model, version, parent, vtime) WHERE ready > 0;
CREATE TABLE job (
	number INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	account VARCHAR(64) NOT NULL,
	team VARCHAR(64) NOT NULL,
	user VARCHAR(64) NOT NULL,
	"key" VARCHAR(64) NOT NULL,
	model VARCHAR(64) NOT NULL,
	version VARCHAR(64) NOT NULL,
	kind VARCHAR(16) NOT NULL,
	state VARCHAR(16) NOT NULL,
	"explain" BOOLEAN NOT NULL,
	timeout BIGINT NOT NULL,
	deadline BIGINT,
	total BIGINT NOT NULL,
	completed BIGINT NOT NULL,
	failed BIGINT NOT NULL,
	canceled BIGINT NOT NULL,
	input_bytes BIGINT NOT NULL,
	created BIGINT NOT NULL,
	updated BIGINT NOT NULL,
	submitted BIGINT NOT NULL,
	started BIGINT,
	ended BIGINT,
	queue_total BIGINT NOT NULL,
	latency_total FLOAT NOT NULL,
	hours_delete_input INTEGER NOT NULL,
	drop_inputs_at BIGINT,
	next BIGINT NOT NULL,
	ready BIGINT NOT NULL,
	vtime FLOAT NOT NULL,
	priority INTEGER NOT NULL,
	dead BIGINT NOT NULL,
	CONSTRAINT pk_job PRIMARY KEY (number),
	CONSTRAINT uq_job_id UNIQUE (id)
);
CREATE INDEX ix_job_account_created ON job (account, created);
CREATE INDEX ix_job_dead ON job (account, number) WHERE dead > 0;
CREATE INDEX ix_job_deadline ON job (deadline) WHERE deadline IS NOT NULL;
CREATE INDEX ix_job_drop_inputs_at ON job (drop_inputs_at) WHERE drop_inputs_at IS NOT NULL;
CREATE INDEX ix_job_ready ON job (model, version, team, user, vtime, number) WHERE ready > 0;
CREATE TABLE load (
	account VARCHAR(64) NOT NULL,
	jobs BIGINT NOT NULL,
	inputs BIGINT NOT NULL,
	bytes BIGINT NOT NULL,
	CONSTRAINT pk_load PRIMARY KEY (account)
);
CREATE TABLE share (
	node VARCHAR(160) NOT NULL,
	weight FLOAT NOT NULL,
	CONSTRAINT pk_share PRIMARY KEY (node)
);
CREATE TABLE blob_use (
	digest VARCHAR(64) NOT NULL,
	job INTEGER NOT NULL,
	is_input BOOLEAN NOT NULL,
	CONSTRAINT pk_blob_use PRIMARY KEY (digest, job, is_input),
	CONSTRAINT fk_blob_use_job FOREIGN KEY(job) REFERENCES job (number) ON DELETE CASCADE
);
CREATE TABLE chunk (
	job INTEGER NOT NULL,
	first BIGINT NOT NULL,
	length INTEGER NOT NULL,
	bytes BIGINT NOT NULL,
	names BLOB NOT NULL,
	payload BLOB NOT NULL,
	CONSTRAINT pk_chunk PRIMARY KEY (job, first),
	CONSTRAINT fk_chunk_job FOREIGN KEY(job) REFERENCES job (number) ON DELETE CASCADE
);
CREATE TABLE dead (
	job INTEGER NOT NULL,
	ordinal BIGINT NOT NULL,
	input_name TEXT NOT NULL,
	reason TEXT NOT NULL,
	engine TEXT NOT NULL,
	died BIGINT NOT NULL,
	redriven VARCHAR(36),
	CONSTRAINT pk_dead PRIMARY KEY (job, ordinal),
	CONSTRAINT fk_dead_job FOREIGN KEY(job) REFERENCES job (number) ON DELETE CASCADE
);
CREATE TABLE lease (
	id INTEGER NOT NULL,
	job INTEGER NOT NULL,
	first BIGINT NOT NULL,
	length INTEGER NOT NULL,
	token VARCHAR(16),
	server VARCHAR(64),
	until BIGINT,
	strikes INTEGER NOT NULL,
	tries INTEGER NOT NULL,
	due BIGINT,
	CONSTRAINT pk_lease PRIMARY KEY (id),
	CONSTRAINT fk_lease_job FOREIGN KEY(job) REFERENCES job (number) ON DELETE CASCADE
);
CREATE INDEX ix_lease_due ON lease (due) WHERE due IS NOT NULL;
CREATE INDEX ix_lease_job ON lease (job);
CREATE INDEX ix_lease_server ON lease (server) WHERE server IS NOT NULL;
CREATE TABLE segment (
	job INTEGER NOT NULL,
	first BIGINT NOT NULL,
	length INTEGER NOT NULL,
	body BLOB NOT NULL,
	CONSTRAINT pk_segment PRIMARY KEY (job, first),
	CONSTRAINT fk_segment_job FOREIGN KEY(job) REFERENCES job (number) ON DELETE CASCADE
);
CREATE TABLE upload (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	job INTEGER NOT NULL,
	input_name TEXT NOT NULL,
	model_key TEXT NOT NULL,
	size BIGINT NOT NULL,
	CONSTRAINT fk_upload_job FOREIGN KEY(job) REFERENCES job (number) ON DELETE CASCADE,
	CONSTRAINT uq_upload_job_input_name_model_key UNIQUE (job, input_name, model_key)
);
CREATE TABLE upload_piece (
	upload INTEGER NOT NULL,
	first BIGINT NOT NULL,
	size BIGINT NOT NULL,
	digest VARCHAR(64),
	body BLOB,
	CONSTRAINT pk_upload_piece PRIMARY KEY (upload, first),
	CONSTRAINT fk_upload_piece_upload FOREIGN KEY(upload) REFERENCES upload (number) ON DELETE CASCADE
);
CREATE TABLE vote (
	job INTEGER NOT NULL,
	input_name TEXT NOT NULL,
	user VARCHAR(64) NOT NULL,
	up BOOLEAN NOT NULL,
	CONSTRAINT pk_vote PRIMARY KEY (job, input_name, user),
	CONSTRAINT fk_vote_job FOREIGN KEY(job) REFERENCES job (number) ON DELETE CASCADE
);
