-- How complete the mirror is, licence by licence.
-- in:   items, downloads
-- out:  license, n_items, n_stored, n_final (with a final outcome), n_failed, n_not_tried
-- rows: one a licence
SELECT
    license,
    count(*) AS n_items,
    count(*) FILTER (WHERE outcome = 'stored') AS n_stored,
    count(*) FILTER (WHERE outcome <> 'failed') AS n_final,
    count(*) FILTER (WHERE outcome = 'failed') AS n_failed,
    count(*) FILTER (WHERE outcome IS NULL) AS n_not_tried
FROM items
LEFT JOIN downloads USING (photo_id)
GROUP BY license
ORDER BY n_items DESC;
