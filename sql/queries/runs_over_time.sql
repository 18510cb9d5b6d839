-- How every run went: its counts, its rate, and whether they add up.
-- in:   runs
-- out:  run_id, started, state, exit_code, n_selected, n_stored, n_failed, not_yet_tried, adds_up,
--       gigabytes, items_per_s (of those stored by the run; NULL while it lasts)
-- rows: one a run, the earliest first
SELECT
    run_id,
    started,
    state,
    exit_code,
    n_selected,
    coalesce(outcomes['stored'], 0) AS n_stored,
    coalesce(outcomes['failed'], 0) AS n_failed,
    not_yet_tried,
    n_selected = list_sum(map_values(outcomes)) + not_yet_tried AS adds_up,
    round(n_bytes / 1e9, 3) AS gigabytes,
    round(coalesce(outcomes['stored'], 0) / nullif(epoch(ended - started), 0), 1) AS items_per_s
FROM runs
ORDER BY run_id;
