"""A description of an export that machines read: Croissant 1.1 (https://mlcommons.org/croissant)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson

from yfcc import __version__
from yfcc.catalog.select import LICENSES
from yfcc.share.export_facts import ExportedPart, ExportFacts
from yfcc.share.terms import Terms

CROISSANT: Final = "croissant.json"

_FILE: Final = "fileObject"

_CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
#: Columns of ``train/metadata.jsonl`` and of the credits, and their types.
_TABLE: Final = {
    "file_name": "sc:Text",
    "text": "sc:Text",
    "text_raw": "sc:Text",
    "photo_id": "sc:Integer",
    "width": "sc:Integer",
    "height": "sc:Integer",
    "license": "sc:Text",
    "title": "sc:Text",
    "author": "sc:Text",
    "source_url": "sc:URL",
    "license_url": "sc:URL",
    "changes": "sc:Text",
}
#: Columns of ``items`` that are plain values.
_ITEMS: Final = {
    "photo_id": "sc:Integer",
    "photo_hash": "sc:Text",
    "user_nsid": "sc:Text",
    "user_nickname": "sc:Text",
    "title": "sc:Text",
    "description": "sc:Text",
    "longitude": "sc:Float",
    "latitude": "sc:Float",
    "page_url": "sc:URL",
    "license": "sc:Text",
    "license_url": "sc:URL",
    "media_kind": "sc:Text",
}
#: Columns of ``ATTRIBUTION.csv``.
_CREDITS: Final = {
    "photo_id": "sc:Integer",
    "title": "sc:Text",
    "author": "sc:Text",
    "source_url": "sc:URL",
    "license_name": "sc:Text",
    "license_url": "sc:URL",
    "path": "sc:Text",
    "changes": "sc:Text",
}


def build_croissant(
    facts: ExportFacts, pieces: Sequence[ExportedPart], files: Mapping[str, ExportedPart]
) -> bytes:
    """The file, JSON-LD.

    Parameters
    ----------
    facts : ExportFacts
    pieces : sequence of ExportedPart
        The data; what is one file becomes a resource of its own.
    files : mapping of str to ExportedPart
        Those beside them: the credits, and the metadata of an imagefolder.
    """
    distribution = [_file(file) for file in files.values()]
    distribution += [_file(piece) for piece in pieces if piece.sha256 is not None]
    records = []
    if "ATTRIBUTION.csv" in files:
        records.append(_record_set("credits", _FILE, "ATTRIBUTION.csv", _CREDITS))
    if facts.form == "webdataset" and pieces:
        distribution += [_members(pieces, "media"), _members(pieces, "captions")]
    elif facts.form == "imagefolder":
        distribution.append(_file_set("photos", "image/*", "train/*/*"))
        records.append(_record_set("photos-metadata", _FILE, "train/metadata.jsonl", _TABLE))
    elif facts.form == "parquet":
        distribution.append(_file_set("rows", "application/x-parquet", "items/**/*.parquet"))
        records.append(_record_set("items", "fileSet", "rows", _ITEMS))
    return orjson.dumps(
        {
            "@context": _CONTEXT,
            "@type": "sc:Dataset",
            "conformsTo": "http://mlcommons.org/croissant/1.1",
            "name": "yfcc100m-selection",
            "description": (
                f"{facts.n_items} items of YFCC100M, selected by: {facts.sql.strip()} "
                f"(catalog {facts.fingerprint or 'none'}); written by yfcc {__version__}."
            ),
            "license": _licenses(facts),
            "url": "http://www.multimediacommons.org/",
            "creator": {"@type": "sc:Organization", "name": "the authors in ATTRIBUTION.csv"},
            "datePublished": datetime.fromisoformat(facts.started_at).date().isoformat(),
            "version": "1.0.0",
            "citeAs": (
                "Thomee et al., YFCC100M: The New Data in Multimedia Research, "
                "Communications of the ACM 59(2), 2016"
            ),
            "distribution": distribution,
            "recordSet": records,
        },
        option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
    )


def _licenses(facts: ExportFacts) -> list[str]:
    known = [Terms(code) for code in facts.licenses if code in LICENSES]
    urls = [
        f"https://creativecommons.org/licenses/{each.license}/{each.version}/" for each in known
    ]
    return urls or ["LICENSES.txt"]


def _file(file: ExportedPart) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "contentUrl": file.path,
        "contentSize": f"{file.n_bytes} B",
        "encodingFormat": _ENCODINGS.get(file.path.rpartition(".")[2], _LINES),
        "sha256": file.sha256,
    }


#: Files of the dataset's own form have no suffix.
_LINES: Final = "text/tab-separated-values"
_ENCODINGS: Final = {
    "tar": "application/x-tar",
    "csv": "text/csv",
    "txt": "text/plain",
    "jsonl": "application/jsonlines",
    "parquet": "application/x-parquet",
    "bz2": "application/x-bzip2",
    "gz": "application/gzip",
    "zst": "application/zstd",
}
_MEMBERS: Final = {
    "media": ("image/*", ["*.jpg", "*.png", "*.gif", "*.webp"]),
    "captions": ("text/plain", ["*.txt"]),
}


def _members(pieces: Sequence[ExportedPart], name: str) -> dict[str, Any]:
    """Files inside the archives."""
    encoding, includes = _MEMBERS[name]
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "containedIn": [{"@id": piece.path} for piece in pieces],
        "encodingFormat": encoding,
        "includes": includes,
    }


def _file_set(name: str, encoding: str, includes: str) -> dict[str, Any]:
    """Files of the export's directory."""
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "encodingFormat": encoding,
        "includes": includes,
    }


def _record_set(name: str, kind: str, source: str, columns: Mapping[str, str]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "key": {"@id": f"{name}/photo_id"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{column}",
                "name": column,
                "dataType": data_type,
                "source": {kind: {"@id": source}, "extract": {"column": column}},
            }
            for column, data_type in columns.items()
        ],
    }
