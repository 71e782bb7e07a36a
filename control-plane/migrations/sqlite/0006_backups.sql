-- What became of each backup. Its content is a file; a restore does not touch this table.

CREATE TABLE backups (
    row        INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    tenant     TEXT    NOT NULL REFERENCES tenants (id),
    cause      TEXT    NOT NULL CHECK (cause IN ('AUTOMATIC', 'MANUAL')),
    size       INTEGER, -- absent: the file could not be written
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;
CREATE INDEX backups_by_age ON backups (tenant, created_at, row);
CREATE INDEX backups_by_end ON backups (expires_at) WHERE expires_at IS NOT NULL;
