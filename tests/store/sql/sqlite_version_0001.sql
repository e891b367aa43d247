-- A database as the version before migrations made it: its tables and rows, as SQLite dumps them.
BEGIN TRANSACTION;
CREATE TABLE client_origins (
	client_id TEXT NOT NULL,
	origin TEXT NOT NULL,
	PRIMARY KEY (client_id, origin),
	FOREIGN KEY(client_id) REFERENCES clients (client_id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "client_origins" VALUES('rp-a','https://a.example');
CREATE TABLE clients (
	client_id TEXT NOT NULL,
	metadata TEXT NOT NULL,
	PRIMARY KEY (client_id)
);
INSERT INTO "clients" VALUES('rp-a','{"client_name":"A"}');
CREATE TABLE consents (
	client_id TEXT NOT NULL,
	uid TEXT NOT NULL,
	scopes TEXT NOT NULL,
	given_at BIGINT NOT NULL,
	PRIMARY KEY (client_id, uid)
)
 WITHOUT ROWID

;
INSERT INTO "consents" VALUES('rp-a','alice','["openid"]',1700000000);
CREATE TABLE ephemerals (
	kind TEXT NOT NULL,
	"key" TEXT NOT NULL,
	expires_at BIGINT NOT NULL,
	payload TEXT NOT NULL,
	PRIMARY KEY (kind, "key")
)
 WITHOUT ROWID

;
INSERT INTO "ephemerals" VALUES('kind','key',1700000010,'{"n":1}');
CREATE TABLE facts (
	name TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (name)
)
 WITHOUT ROWID

;
INSERT INTO "facts" VALUES('name','value');
INSERT INTO "facts" VALUES('schema_version','1');
CREATE TABLE grants (
	id TEXT NOT NULL,
	client_id TEXT NOT NULL,
	uid TEXT NOT NULL,
	sub TEXT NOT NULL,
	op_session_id TEXT,
	sid TEXT,
	data TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	is_offline BOOLEAN NOT NULL,
	refresh_digest TEXT,
	version BIGINT NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(op_session_id) REFERENCES op_sessions (id) ON DELETE CASCADE
);
INSERT INTO "grants" VALUES('grant-one','rp-a','alice','alice-at-rp-a','id-one','sid-one-rp-a','{"scope":["openid","email"],"authn_event":{"uid":"alice"},"revoked":false,"nonce":null}',1700000000,1700001000,0,NULL,1);
CREATE TABLE notices (
	id TEXT NOT NULL,
	channel TEXT NOT NULL,
	client_id TEXT NOT NULL,
	uid TEXT NOT NULL,
	sub TEXT NOT NULL,
	sid TEXT NOT NULL,
	reason TEXT NOT NULL,
	ended_at BIGINT NOT NULL,
	due_at BIGINT NOT NULL,
	attempts BIGINT NOT NULL,
	PRIMARY KEY (id)
);
INSERT INTO "notices" VALUES('notice-one','backchannel','rp-a','alice','alice-at-rp-a','sid-one-rp-a','rp_initiated',1700000000,1700000000,2);
CREATE TABLE op_sessions (
	id TEXT NOT NULL,
	cookie_digest TEXT NOT NULL,
	uid TEXT NOT NULL,
	auth_time BIGINT NOT NULL,
	acr TEXT NOT NULL,
	op_browser_state TEXT NOT NULL,
	sid_seed TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	last_active_at BIGINT NOT NULL,
	idle_expires_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	version BIGINT NOT NULL,
	due_at BIGINT NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (cookie_digest)
);
INSERT INTO "op_sessions" VALUES('id-one','cookie-one','alice',1700000000,'password','state-one','seed-one',1700000000,1700000000,1700000100,1700001000,1,1700000100);
INSERT INTO "op_sessions" VALUES('id-two','cookie-two','alice',1700000000,'password','state-two','seed-two',1699999995,1700000000,1700000100,1700001000,1,1700000100);
CREATE TABLE rp_sessions (
	op_session_id TEXT NOT NULL,
	client_id TEXT NOT NULL,
	sid TEXT NOT NULL,
	sub TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (op_session_id, client_id),
	FOREIGN KEY(op_session_id) REFERENCES op_sessions (id) ON DELETE CASCADE,
	UNIQUE (sid)
)
 WITHOUT ROWID

;
INSERT INTO "rp_sessions" VALUES('id-one','rp-a','sid-one-rp-a','alice-at-rp-a',1700000000);
INSERT INTO "rp_sessions" VALUES('id-one','rp-b','sid-one-rp-b','alice-at-rp-b',1700000007);
CREATE INDEX ix_op_sessions_uid ON op_sessions (uid);
CREATE INDEX ix_op_sessions_due_at ON op_sessions (due_at);
CREATE INDEX ix_ephemerals_expires_at ON ephemerals (expires_at);
CREATE INDEX ix_notices_due_at_id ON notices (due_at, id);
CREATE INDEX ix_grants_sid ON grants (sid);
CREATE INDEX ix_grants_op_session_id ON grants (op_session_id);
CREATE INDEX ix_grants_client_id ON grants (client_id);
CREATE INDEX ix_grants_expires_at ON grants (expires_at);
CREATE INDEX ix_grants_sub ON grants (sub);
CREATE INDEX ix_grants_uid ON grants (uid);
CREATE INDEX ix_client_origins_origin ON client_origins (origin);
COMMIT;
