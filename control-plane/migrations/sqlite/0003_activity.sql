-- What happened: uploads, and what edges report. Times are Unix milliseconds.

-- Uploads and downloads. Names stay as they were said: what they named may be gone.
CREATE TABLE activity (
    row         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT    NOT NULL UNIQUE,
    tenant      TEXT    NOT NULL REFERENCES tenants (id),
    kind        TEXT    NOT NULL CHECK (kind IN ('upload', 'download')),
    at          INTEGER NOT NULL,
    ended_at    INTEGER NOT NULL,
    application TEXT    NOT NULL,
    version     TEXT    NOT NULL,
    file        TEXT    NOT NULL,
    file_name   TEXT    NOT NULL,
    file_size   INTEGER NOT NULL,
    sent        TEXT    NOT NULL, -- a JSON array of the pieces [first byte, the one after the last]
    bytes       INTEGER NOT NULL,
    completed   INTEGER NOT NULL,
    customer    TEXT,
    key         TEXT,
    carrier     TEXT,
    address     TEXT,
    user_agent  TEXT,
    request_id  TEXT    NOT NULL
) STRICT;
CREATE INDEX activity_by_time ON activity (tenant, at);
CREATE INDEX activity_by_application ON activity (tenant, application, at);
CREATE INDEX activity_by_customer ON activity (tenant, customer, at);
CREATE INDEX activity_by_key ON activity (tenant, key, at);

-- Whole files by UTC day: kept when the activity that they were counted from is forgotten.
CREATE TABLE downloads (
    tenant      TEXT    NOT NULL,
    application TEXT    NOT NULL,
    version     TEXT    NOT NULL,
    day         INTEGER NOT NULL,
    customer    TEXT    NOT NULL, -- empty: a key of the vendor
    count       INTEGER NOT NULL,
    PRIMARY KEY (tenant, application, version, day, customer)
) STRICT, WITHOUT ROWID;

-- How much each key was used: by the minute for a while, by the hour for long.
CREATE TABLE usage (
    key         TEXT    NOT NULL,
    span        INTEGER NOT NULL,
    start       INTEGER NOT NULL,
    application TEXT    NOT NULL, -- empty: none was named
    requests    INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    errors      INTEGER NOT NULL,
    PRIMARY KEY (key, span, start, application)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_by_age ON usage (span, start);

CREATE TABLE refusals (
    key    TEXT    NOT NULL,
    span   INTEGER NOT NULL,
    start  INTEGER NOT NULL,
    reason TEXT    NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (key, span, start, reason)
) STRICT, WITHOUT ROWID;
CREATE INDEX refusals_by_age ON refusals (span, start);

-- Which reports were counted: of each start of an edge all below a number, and some beyond it.
CREATE TABLE reporters (
    edge     TEXT    NOT NULL,
    boot     INTEGER NOT NULL,
    below    INTEGER NOT NULL,
    heard_at INTEGER NOT NULL,
    PRIMARY KEY (edge, boot)
) STRICT, WITHOUT ROWID;

CREATE TABLE reports (
    edge   TEXT    NOT NULL,
    boot   INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (edge, boot, number)
) STRICT, WITHOUT ROWID;

ALTER TABLE keys ADD COLUMN last_used_at INTEGER;

-- What was counted, and what of it the record says: the record changes only together with its sequence.
ALTER TABLE versions ADD COLUMN downloads INTEGER NOT NULL DEFAULT 0;
ALTER TABLE versions ADD COLUMN download_count INTEGER NOT NULL DEFAULT 0;
CREATE INDEX versions_to_tell ON versions (row) WHERE downloads <> download_count;
