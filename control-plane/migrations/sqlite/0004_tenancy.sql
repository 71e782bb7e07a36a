-- Several tenants with quotas, and what finds uploads that are over.

ALTER TABLE tenants ADD COLUMN quota_bytes INTEGER; -- absent: no limit

CREATE INDEX files_by_digest ON files (digest);
CREATE INDEX uploads_by_expiry ON uploads (expires_at);
CREATE INDEX uploads_by_tenant ON uploads (tenant, expires_at);
CREATE INDEX uploads_by_digest ON uploads (received_digest) WHERE received_digest IS NOT NULL;
