-- Files that were stored more than once: twins, or a placeholder that looks like a photo.
-- in:   downloads
-- out:  sha256, n_items, n_bytes, photo_ids (up to 5)
-- rows: one a digest that recurs, the most frequent first
SELECT
    sha256,
    count(*) AS n_items,
    any_value(n_bytes) AS n_bytes,
    list(photo_id ORDER BY photo_id)[1:5] AS photo_ids
FROM downloads
WHERE outcome = 'stored'
GROUP BY sha256
HAVING count(*) > 1
ORDER BY n_items DESC, sha256;
