-- Whether every line that was read is accounted for; `n_lost` is 0 in a good catalog.
-- in:   ingests
-- out:  file, n_lines, n_joined, n_orphans, n_rejected, n_lost
-- rows: one a metadata file
SELECT
    file,
    n_lines,
    n_joined,
    n_orphans,
    n_rejected,
    n_lines - n_joined - n_orphans - n_rejected AS n_lost
FROM ingests
ORDER BY file;
