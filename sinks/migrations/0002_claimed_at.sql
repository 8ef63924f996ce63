-- When a claim was made, by the API's clock: where to begin to look for what may
-- have been sent. Messages sent before this column was there do not carry the
-- row's key, so of their claims it stays unknown and nothing is looked for.

ALTER TABLE claims ADD COLUMN claimed_at TIMESTAMPTZ;
