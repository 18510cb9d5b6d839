-- The catalog's main table: one row an item, in the dataset's order.
-- in:   the dataset file, joined with the packs by photo_id
-- out:  items
-- rows: one for every dataset line that is no reject; photo_id is unique
CREATE TABLE items (
    line_number     BIGINT NOT NULL,     -- from 0, as the dataset counts
    photo_id        BIGINT NOT NULL,     -- of photos and videos
    photo_hash      VARCHAR,             -- key of the persistent copy; computed where a source lacks it
    user_nsid       VARCHAR,             -- of the author
    user_nickname   VARCHAR,             -- decoded
    date_taken      TIMESTAMP,           -- the camera's local time; NULL where it is unknown
    date_uploaded   TIMESTAMP,           -- UTC
    capture_device  VARCHAR,             -- decoded
    -- zstd makes text that hardly recurs smaller than DuckDB's own choice, and in less time:
    -- for descriptions alone that is a sixth of the file.
    title           VARCHAR USING COMPRESSION zstd, -- decoded
    description     VARCHAR USING COMPRESSION zstd, -- decoded; may hold newlines and HTML
    user_tags       VARCHAR[],           -- each decoded
    machine_tags    VARCHAR[],           -- each decoded
    longitude       DOUBLE,              -- degrees, WGS 84; with latitude and accuracy or not at all
    latitude        DOUBLE,              -- degrees
    accuracy        SMALLINT,            -- 1 (world) to 16 (street)
    page_url        VARCHAR,             -- of the item at Flickr
    download_url    VARCHAR USING COMPRESSION zstd, -- of a photo of 500 pixels, or of a video
    license_name    VARCHAR,             -- as the dataset writes it
    license_url     VARCHAR,             -- the deed, at Creative Commons
    license         VARCHAR,             -- 'by', 'by-sa', 'by-nd', 'by-nc', 'by-nc-sa', 'by-nc-nd'
    server_id       INTEGER,             -- part of the address at Flickr
    farm_id         INTEGER,             -- part of the address at Flickr
    secret          VARCHAR,             -- part of the address of the download
    secret_original VARCHAR,             -- part of the address of the original
    extension       VARCHAR,             -- of the original; says nothing about videos
    media_kind      VARCHAR NOT NULL,    -- 'photo' or 'video'
    autotags        MAP(VARCHAR, FLOAT), -- concept to score, 0.5 to 1
    exif            MAP(VARCHAR, VARCHAR), -- 'Category.Tag' to its values, newline between them
    places          STRUCT(woeid BIGINT, "name" VARCHAR, "type" VARCHAR)[], -- fine to coarse
    shard           SMALLINT NOT NULL    -- 0 to 4095, the same for all ids of one media directory
);
