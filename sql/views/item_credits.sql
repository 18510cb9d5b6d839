-- What the licences ask to be said of every copy: title, author, source, licence.
-- in:   items
-- out:  item_credits, the columns of items (title, license_name and license_url among them),
--       author, author_url and source_url
-- rows: one an item
CREATE VIEW item_credits AS
SELECT
    *,
    coalesce(nullif(trim(user_nickname), ''), user_nsid) AS author,
    'https://www.flickr.com/people/' || user_nsid || '/' AS author_url,
    page_url AS source_url
FROM items;
