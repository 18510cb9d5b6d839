"""What ``import yfcc`` offers to programs; what the commands do, they do by the same functions.

>>> import yfcc
>>> with yfcc.open_catalog(demo.catalog) as catalog:
...     photos = catalog.select(license="by,by-sa", media="photo")
...     table = photos.polars(columns=["photo_id", "title", "license"])
>>> sorted(table["license"].unique())
['by', 'by-sa']
"""
