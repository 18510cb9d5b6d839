-- Items that are photos.
-- in:   items
-- out:  photos, with the columns of items
-- rows: one a photo
CREATE VIEW photos AS SELECT * FROM items WHERE media_kind = 'photo';
