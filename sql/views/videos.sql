-- Items that are videos.
-- in:   items
-- out:  videos, with the columns of items
-- rows: one a video
CREATE VIEW videos AS SELECT * FROM items WHERE media_kind = 'video';
