-- What was not stored, and why: the reason of each kind, with an example to look at.
-- in:   downloads
-- out:  outcome, first_error, n_items, example_photo_id, example_url
-- rows: one a reason, the most frequent first
SELECT
    outcome,
    first_error,
    count(*) AS n_items,
    min(photo_id) AS example_photo_id,
    arg_min(url, photo_id) AS example_url
FROM downloads
WHERE outcome <> 'stored'
GROUP BY outcome, first_error
ORDER BY n_items DESC, outcome, first_error;
