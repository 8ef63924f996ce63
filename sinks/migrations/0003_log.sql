-- A commit becomes one row of the log, whatever is in it: DuckDB's price of a
-- commit goes by statements, tables and columns, hardly by bytes. When outcomes
-- leave the ledger the log is folded into positions, claims and settled.

CREATE TABLE log (
    run_id   VARCHAR NOT NULL,
    commits  BIGINT NOT NULL,      -- as in positions
    position VARCHAR,              -- JSON: the other columns of positions, as they are now
    claim    VARCHAR,              -- JSON: from_seq, to_seq and claimed_at, in microseconds
    settled  BIGINT NOT NULL,      -- how many outcomes there are
    outcomes VARCHAR               -- JSON: of each column of theirs a list
);

INSERT INTO log
SELECT run_id, 0, NULL, NULL, count(*), to_json({
    seq: list(seq ORDER BY seq), key: list(key ORDER BY seq), state: list(state ORDER BY seq),
    http_status: list(http_status ORDER BY seq), attempts: list(attempts ORDER BY seq),
    error_code: list(error_code ORDER BY seq), error: list(error ORDER BY seq), ref: list(ref ORDER BY seq),
    finished_at: list(epoch_us(finished_at) ORDER BY seq), response: list(response ORDER BY seq)})
FROM outcomes GROUP BY run_id, seq // 1000;

DROP TABLE outcomes;

-- The outcomes that are in the ledger. A column that the JSON leaves out is
-- empty or 0 throughout.
CREATE VIEW outcomes AS
SELECT run_id, coalesce(seq, 0) AS seq, coalesce("key", '') AS "key", state,
       coalesce(http_status, 0) AS http_status, coalesce(attempts, 0) AS attempts,
       coalesce(error_code, '') AS error_code, coalesce("error", '') AS "error", coalesce(ref, '') AS ref,
       make_timestamp(coalesce(finished_at, 0)) AT TIME ZONE 'UTC' AS finished_at, coalesce(response, '') AS response
FROM (SELECT run_id, unnest(o.seq) AS seq, unnest(o.key) AS "key", unnest(o.state) AS state,
             unnest(o.http_status) AS http_status, unnest(o.attempts) AS attempts,
             unnest(o.error_code) AS error_code, unnest(o.error) AS "error", unnest(o.ref) AS ref,
             unnest(o.finished_at) AS finished_at, unnest(o.response) AS response
      FROM (SELECT run_id, from_json(outcomes, '{"seq": ["BIGINT"], "key": ["VARCHAR"], "state": ["VARCHAR"],
              "http_status": ["INTEGER"], "attempts": ["INTEGER"], "error_code": ["VARCHAR"], "error": ["VARCHAR"],
              "ref": ["VARCHAR"], "finished_at": ["BIGINT"], "response": ["VARCHAR"]}') AS o
            FROM log));

-- The claims of the log.
CREATE VIEW log_claims AS
SELECT run_id, c.from_seq AS from_seq, c.to_seq AS to_seq, make_timestamp(c.claimed_at) AT TIME ZONE 'UTC' AS claimed_at
FROM (SELECT run_id, from_json(claim, '{"from_seq": "BIGINT", "to_seq": "BIGINT", "claimed_at": "BIGINT"}') AS c
      FROM log WHERE claim IS NOT NULL);
