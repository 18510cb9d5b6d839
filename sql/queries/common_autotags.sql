-- The concepts seen in most items, and how sure the classifier was of them.
-- in:   item_autotags
-- out:  concept, n_items, mean_score, n_sure (items with a score of 0.9 or more)
-- rows: 50, the most common first
SELECT
    concept,
    count(*) AS n_items,
    round(avg(score), 3) AS mean_score,
    count(*) FILTER (WHERE score >= 0.9) AS n_sure
FROM item_autotags
GROUP BY concept
ORDER BY n_items DESC, concept
LIMIT 50;
