-- What became of every item that was tried, with the last word of the server.
-- in:   downloads
-- out:  outcome, source, http_status, n_items, n_bytes
-- rows: one a combination, the most frequent first
SELECT outcome, source, http_status, count(*) AS n_items, sum(n_bytes) AS n_bytes
FROM downloads
GROUP BY ALL
ORDER BY n_items DESC, outcome, source, http_status;
