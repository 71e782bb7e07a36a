-- Answers to requests that came with an Idempotency-Key, kept in the transaction of what they answer.
-- Bodies can hold secrets: they are sealed under a key that derives from the caller's own credential.

CREATE TABLE answers (
    id          BLOB    PRIMARY KEY CHECK (length(id) = 32), -- SHA-256 of tenant, API key and Idempotency-Key
    fingerprint BLOB    NOT NULL CHECK (length(fingerprint) = 32), -- SHA-256 of the request
    status      INTEGER NOT NULL,
    sealed      BLOB    NOT NULL,
    kept_at     INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX answers_by_end ON answers (expires_at);
