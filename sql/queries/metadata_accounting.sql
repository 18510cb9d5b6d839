-- Whether every line that was read is accounted for; `n_lost` is 0 in a good catalog.
-- in:   ingests, rejected_lines
-- out:  file, n_lines, n_joined, n_orphans, n_rejected, n_forgotten (of the rejected), n_lost
-- rows: one a metadata file
SELECT
    file,
    n_lines,
    n_joined,
    n_orphans,
    n_rejected,
    (SELECT count(*) FROM rejected_lines AS r WHERE r.file = ingests.file AND r.reason = 'forgotten')
        AS n_forgotten,
    n_lines - n_joined - n_orphans - n_rejected AS n_lost
FROM ingests
ORDER BY file;
