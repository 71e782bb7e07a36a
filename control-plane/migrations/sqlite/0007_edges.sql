-- The edges that were heard of and neither said goodbye nor were removed: so that one that fell silent is still named
-- after a start of the control plane. Written rarely; what an edge said last is in memory.

CREATE TABLE edges (
    id         TEXT    NOT NULL PRIMARY KEY,
    version    TEXT    NOT NULL,
    started_at INTEGER NOT NULL,
    number     INTEGER NOT NULL, -- of the last acknowledgement that was kept: it is not taken again
    epoch      INTEGER NOT NULL,
    sequence   INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL
) STRICT;
