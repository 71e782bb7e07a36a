-- A key's old secret, while it may still be used beside the new one.

ALTER TABLE keys ADD COLUMN previous_digest BLOB CHECK (length(previous_digest) = 32);
ALTER TABLE keys ADD COLUMN previous_until INTEGER CHECK ((previous_until IS NULL) = (previous_digest IS NULL));
CREATE UNIQUE INDEX keys_by_previous_digest ON keys (previous_digest) WHERE previous_digest IS NOT NULL;

-- A secret belongs to one key: also the old one of one key and the present one of another are never the same.
CREATE TRIGGER keys_secret_is_new BEFORE INSERT ON keys
WHEN EXISTS (SELECT 1 FROM keys WHERE digest = NEW.previous_digest OR previous_digest = NEW.digest)
BEGIN
    SELECT RAISE(ABORT, 'a secret belongs to one key');
END;
CREATE TRIGGER keys_secret_stays_one BEFORE UPDATE OF digest, previous_digest ON keys
WHEN NEW.digest = NEW.previous_digest
    OR EXISTS (SELECT 1 FROM keys WHERE row <> NEW.row AND (digest = NEW.previous_digest OR previous_digest = NEW.digest))
BEGIN
    SELECT RAISE(ABORT, 'a secret belongs to one key');
END;

-- What logins opened. Published are only those that were revoked.
CREATE TABLE sessions (
    row        INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    tenant     TEXT    NOT NULL REFERENCES tenants (id),
    key        TEXT    NOT NULL REFERENCES keys (id),
    generation TEXT    NOT NULL, -- which of the key's secrets
    customer   TEXT,             -- the key's
    label      TEXT,             -- what the client calls it; absent for the key's default session
    issued_at  INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER,
    sequence   INTEGER NOT NULL DEFAULT 0,
    bucket     INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX sessions_by_bucket ON sessions (bucket, row) WHERE sequence > 0;
CREATE INDEX sessions_by_key ON sessions (key, expires_at);
CREATE INDEX sessions_by_age ON sessions (tenant, issued_at, row);
CREATE INDEX sessions_by_end ON sessions (expires_at);
