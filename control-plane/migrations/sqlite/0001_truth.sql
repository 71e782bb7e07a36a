-- The truth. Times are Unix milliseconds, digests are 32 bytes, lists are JSON arrays.
-- Published rows carry the sequence of the write that last changed them and the bucket that their address lies in;
-- both are stamped when the change is announced.

CREATE TABLE meta (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    epoch     INTEGER NOT NULL,
    sequence  INTEGER NOT NULL,
    announced INTEGER NOT NULL
) STRICT;

CREATE TABLE tenants (
    row        INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    is_active  INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    sequence   INTEGER NOT NULL DEFAULT 0,
    bucket     INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX tenants_by_bucket ON tenants (bucket);

CREATE TABLE tiers (
    row                      INTEGER PRIMARY KEY,
    tenant                   TEXT    NOT NULL REFERENCES tenants (id),
    name                     TEXT    NOT NULL,
    rank                     INTEGER NOT NULL,
    rate_limit               INTEGER,
    max_concurrent_downloads INTEGER,
    bytes_per_second         INTEGER,
    sequence                 INTEGER NOT NULL DEFAULT 0,
    bucket                   INTEGER NOT NULL DEFAULT 0,
    UNIQUE (tenant, name)
) STRICT;
CREATE INDEX tiers_by_bucket ON tiers (bucket);

CREATE TABLE customers (
    row        INTEGER PRIMARY KEY,
    tenant     TEXT    NOT NULL REFERENCES tenants (id),
    id         TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    name_key   TEXT    NOT NULL, -- lower case, to sort by
    tier       TEXT    NOT NULL,
    channels   TEXT    NOT NULL,
    is_active  INTEGER NOT NULL,
    notes      TEXT,
    email      TEXT,
    reference  TEXT,
    license    TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    sequence   INTEGER NOT NULL DEFAULT 0,
    bucket     INTEGER NOT NULL DEFAULT 0,
    UNIQUE (tenant, id)
) STRICT;
CREATE INDEX customers_by_bucket ON customers (bucket);
CREATE INDEX customers_by_name ON customers (tenant, name_key, id);

CREATE TABLE applications (
    row         INTEGER PRIMARY KEY,
    tenant      TEXT    NOT NULL REFERENCES tenants (id),
    id          TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    description TEXT    NOT NULL,
    tags        TEXT    NOT NULL,
    is_active   INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    deleted_at  INTEGER, -- hidden since; the id is never given again
    sequence    INTEGER NOT NULL DEFAULT 0,
    bucket      INTEGER NOT NULL DEFAULT 0,
    UNIQUE (tenant, id)
) STRICT;
CREATE INDEX applications_by_bucket ON applications (bucket);

-- Which customer has which application. Published as part of the customer.
CREATE TABLE grants (
    tenant      TEXT NOT NULL,
    customer    TEXT NOT NULL,
    application TEXT NOT NULL,
    PRIMARY KEY (tenant, customer, application),
    FOREIGN KEY (tenant, customer) REFERENCES customers (tenant, id),
    FOREIGN KEY (tenant, application) REFERENCES applications (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_by_application ON grants (tenant, application);

CREATE TABLE versions (
    row           INTEGER PRIMARY KEY,
    id            TEXT    NOT NULL UNIQUE,
    tenant        TEXT    NOT NULL,
    application   TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    release_notes TEXT,
    required_tier TEXT,
    channel       TEXT    NOT NULL,
    is_active     INTEGER NOT NULL,
    is_enabled    INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    sequence      INTEGER NOT NULL DEFAULT 0,
    bucket        INTEGER NOT NULL DEFAULT 0,
    UNIQUE (tenant, application, name),
    FOREIGN KEY (tenant, application) REFERENCES applications (tenant, id)
) STRICT;
CREATE INDEX versions_by_bucket ON versions (bucket);

-- Files never change. Published as part of their version.
CREATE TABLE files (
    row          INTEGER PRIMARY KEY,
    id           TEXT    NOT NULL UNIQUE,
    version      TEXT    NOT NULL REFERENCES versions (id),
    position     INTEGER NOT NULL,
    name         TEXT    NOT NULL,
    name_key     TEXT    NOT NULL, -- folded: no two files that differ in case alone
    file_type    TEXT    NOT NULL,
    content_type TEXT    NOT NULL,
    size         INTEGER NOT NULL,
    digest       BLOB    NOT NULL CHECK (length(digest) = 32),
    description  TEXT,
    created_at   INTEGER NOT NULL,
    UNIQUE (version, name_key),
    UNIQUE (version, position)
) STRICT;

CREATE TABLE keys (
    row          INTEGER PRIMARY KEY,
    id           TEXT    NOT NULL UNIQUE,
    tenant       TEXT    NOT NULL REFERENCES tenants (id),
    digest       BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32), -- of the secret, which is kept nowhere
    kind         TEXT    NOT NULL CHECK (kind IN ('admin', 'customer')),
    customer     TEXT,
    name         TEXT    NOT NULL,
    description  TEXT    NOT NULL,
    scopes       TEXT    NOT NULL,
    rate_limit   INTEGER,
    allowlist    TEXT    NOT NULL,
    applications TEXT,
    channels     TEXT    NOT NULL,
    expires_at   INTEGER,
    is_enabled   INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    deleted_at   INTEGER, -- dead since; the id is never given again
    sequence     INTEGER NOT NULL DEFAULT 0,
    bucket       INTEGER NOT NULL DEFAULT 0,
    CHECK ((kind = 'customer') = (customer IS NOT NULL)),
    FOREIGN KEY (tenant, customer) REFERENCES customers (tenant, id)
) STRICT;
CREATE INDEX keys_by_bucket ON keys (bucket);
CREATE INDEX keys_by_age ON keys (tenant, created_at, row);
CREATE INDEX keys_by_customer ON keys (tenant, customer, created_at, row);

CREATE TABLE uploads (
    row             INTEGER PRIMARY KEY,
    id              TEXT    NOT NULL UNIQUE,
    tenant          TEXT    NOT NULL,
    application     TEXT    NOT NULL,
    version         TEXT    NOT NULL,
    file_name       TEXT    NOT NULL,
    file_type       TEXT    NOT NULL,
    content_type    TEXT    NOT NULL,
    description     TEXT,
    release_notes   TEXT,
    required_tier   TEXT,
    channel         TEXT,
    is_enabled      INTEGER,
    declared_size   INTEGER NOT NULL,
    received_size   INTEGER,
    received_digest BLOB,
    version_id      TEXT,
    file_id         TEXT,
    created_by      TEXT,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    CHECK ((received_size IS NULL) = (received_digest IS NULL)),
    CHECK ((version_id IS NULL) = (file_id IS NULL)),
    FOREIGN KEY (tenant, application) REFERENCES applications (tenant, id)
) STRICT;

-- Every write, with who, from where and in which request. Never updated.
CREATE TABLE audit (
    row        INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant     TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    actor      TEXT, -- a key's id; absent for the operator
    action     TEXT    NOT NULL,
    target     TEXT    NOT NULL,
    before     TEXT    NOT NULL,
    after      TEXT    NOT NULL,
    address    TEXT,
    request_id TEXT    NOT NULL,
    sequence   INTEGER NOT NULL
) STRICT;
CREATE INDEX audit_by_tenant ON audit (tenant, row);
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit is never updated');
END;

-- What the edges have yet to be told: names, never contents.
CREATE TABLE outbox (
    row      INTEGER PRIMARY KEY AUTOINCREMENT,
    sequence INTEGER NOT NULL,
    address  TEXT    NOT NULL,
    denies   INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_by_sequence ON outbox (sequence, row);
