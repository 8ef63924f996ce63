-- One file is one job; DuckDB's lock on it keeps the job from running twice.
-- No table has an index: each is written by one process, in order, and read
-- whole or by run.

CREATE TABLE runs (
    n           BIGINT NOT NULL,   -- the order in which they began
    run_id      VARCHAR NOT NULL,
    kind        VARCHAR NOT NULL,
    state       VARCHAR NOT NULL,
    resumed     BIGINT NOT NULL,
    started_at  TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ,
    "rows"      BIGINT NOT NULL,
    requests    BIGINT NOT NULL,
    retries     BIGINT NOT NULL,
    throttled   BIGINT NOT NULL,
    elapsed_s   DOUBLE NOT NULL,
    message     VARCHAR NOT NULL,
    input       VARCHAR NOT NULL,
    fates       VARCHAR NOT NULL,
    fingerprint VARCHAR NOT NULL,
    request     VARCHAR NOT NULL,
    data        VARCHAR            -- JSON, the kind's own
);

-- Where each run stands, and what it has counted. Outcomes leave the ledger;
-- these totals stay.
CREATE TABLE positions (
    run_id     VARCHAR NOT NULL,
    mark       BIGINT NOT NULL,    -- every item below it is settled
    next_seq   BIGINT NOT NULL,    -- the first number that no item has
    commits    BIGINT NOT NULL,    -- names the segments
    done       BIGINT NOT NULL,
    failed     BIGINT NOT NULL,
    invalid    BIGINT NOT NULL,
    suppressed BIGINT NOT NULL,
    skipped    BIGINT NOT NULL,
    in_doubt   BIGINT NOT NULL,
    records    BIGINT NOT NULL
);

-- The items of pulling kinds; a pushing kind's items are the rows of its input.
CREATE TABLE items (
    run_id VARCHAR NOT NULL,
    seq    BIGINT NOT NULL,
    key    VARCHAR NOT NULL,
    data   VARCHAR                 -- JSON
);

CREATE TABLE claims (
    run_id   VARCHAR NOT NULL,
    from_seq BIGINT NOT NULL,
    to_seq   BIGINT NOT NULL
);

CREATE TABLE outcomes (
    run_id      VARCHAR NOT NULL,
    seq         BIGINT NOT NULL,
    key         VARCHAR NOT NULL,
    state       VARCHAR NOT NULL,
    http_status INTEGER NOT NULL,
    attempts    INTEGER NOT NULL,
    error_code  VARCHAR NOT NULL,
    error       VARCHAR NOT NULL,
    ref         VARCHAR NOT NULL,
    finished_at TIMESTAMPTZ NOT NULL,
    response    VARCHAR NOT NULL
);

-- Items beyond the mark whose outcomes were moved to a segment when a run stopped.
CREATE TABLE settled (
    run_id   VARCHAR NOT NULL,
    from_seq BIGINT NOT NULL,
    to_seq   BIGINT NOT NULL
);

CREATE TABLE segments (
    run_id    VARCHAR NOT NULL,
    path      VARCHAR NOT NULL,    -- below the store's folder
    staging   VARCHAR NOT NULL,    -- below the job's staging folder
    "rows"    BIGINT NOT NULL,
    bytes     BIGINT NOT NULL,
    published BOOLEAN NOT NULL
);
