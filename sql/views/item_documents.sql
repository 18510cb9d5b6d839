-- What the catalog knows of every item, as the JSON that lies beside its media.
-- in:   item_credits
-- out:  item_documents, the columns of items and document
-- rows: one an item
CREATE VIEW item_documents AS
SELECT
    * EXCLUDE (author, author_url, source_url),
    to_json(struct_pack(
        attribution := struct_pack(
            title := title,
            author := author,
            author_url := author_url,
            source_url := source_url,
            license_name := license_name,
            license_url := license_url
        ),
        metadata := struct_pack(
            line_number := line_number,
            photo_id := photo_id,
            photo_hash := photo_hash,
            user_nsid := user_nsid,
            user_nickname := user_nickname,
            date_taken := strftime(date_taken, '%Y-%m-%dT%H:%M:%S'),
            date_uploaded := strftime(date_uploaded, '%Y-%m-%dT%H:%M:%SZ'),
            capture_device := capture_device,
            title := title,
            description := description,
            user_tags := user_tags,
            machine_tags := machine_tags,
            longitude := longitude,
            latitude := latitude,
            accuracy := accuracy,
            page_url := page_url,
            download_url := download_url,
            license_name := license_name,
            license_url := license_url,
            license := license,
            server_id := server_id,
            farm_id := farm_id,
            secret := secret,
            secret_original := secret_original,
            extension := extension,
            media_kind := media_kind
        ),
        -- By way of text: a 32-bit 0.999 widened directly would read 0.9990000128746033.
        autotags := autotags::MAP(VARCHAR, VARCHAR)::MAP(VARCHAR, DOUBLE),
        exif := exif,
        places := places
    ))::VARCHAR AS document
FROM item_credits;
