"""Cities with their boxes, counties, states, countries and time zones.

Names and boxes are those of the real places, to about a tenth of a degree, so that a map of
the sample looks right. The identifiers of countries are those of GeoPlanet (Where On Earth);
the identifiers of everything finer, and the names of the suburbs, are invented.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class City:
    """A city and what lies around it.

    Attributes
    ----------
    name : str
    west, south : float
        Corner of the box, degrees.
    width, height : float
        Size of the box, degrees.
    county : str
        Empty where the country has none.
    state : str
        Empty where the country has none.
    country : str
        A key of `COUNTRIES`.
    timezone : str
    language : str
        ISO 639-1 code of the captions its people write.
    """

    name: str
    west: float
    south: float
    width: float
    height: float
    county: str
    state: str
    country: str
    timezone: str
    language: str


#: WOEID and type by name.
COUNTRIES: Final[dict[str, tuple[int, str]]] = {
    "Argentina": (23424747, "Country"),
    "Australia": (23424748, "Country"),
    "Austria": (23424750, "Country"),
    "Belgium": (23424757, "Country"),
    "Brazil": (23424768, "Country"),
    "Canada": (23424775, "Country"),
    "Chile": (23424782, "Country"),
    "China": (23424781, "Country"),
    "Colombia": (23424787, "Country"),
    "Czech Republic": (23424810, "Country"),
    "Denmark": (23424796, "Country"),
    "Egypt": (23424802, "Country"),
    "Finland": (23424812, "Country"),
    "France": (23424819, "Country"),
    "Germany": (23424829, "Country"),
    "Greece": (23424833, "Country"),
    "Hong Kong": (24865698, "Special Administrative Region"),
    "Hungary": (23424844, "Country"),
    "Iceland": (23424845, "Country"),
    "India": (23424848, "Country"),
    "Ireland": (23424803, "Country"),
    "Israel": (23424852, "Country"),
    "Italy": (23424853, "Country"),
    "Japan": (23424856, "Country"),
    "Kenya": (23424863, "Country"),
    "Macao": (20070017, "Special Administrative Region"),
    "Mexico": (23424900, "Country"),
    "Morocco": (23424893, "Country"),
    "Netherlands": (23424909, "Country"),
    "New Zealand": (23424916, "Country"),
    "Norway": (23424910, "Country"),
    "Peru": (23424919, "Country"),
    "Poland": (23424923, "Country"),
    "Portugal": (23424925, "Country"),
    "Russia": (23424936, "Country"),
    "Singapore": (23424948, "Country"),
    "South Africa": (23424942, "Country"),
    "South Korea": (23424868, "Country"),
    "Spain": (23424950, "Country"),
    "Sweden": (23424954, "Country"),
    "Switzerland": (23424957, "Country"),
    "Taiwan": (23424971, "Country"),
    "Thailand": (23424960, "Country"),
    "Turkey": (23424969, "Country"),
    "United Kingdom": (23424975, "Country"),
    "United States": (23424977, "Country"),
}

#: One city a line: name, west, south, width, height, county, state, country, zone, language.
#: Frequent photographers' cities come first; the draw prefers the head of the list.
_CITIES: Final = """\
London|-0.30|51.42|0.36|0.16|Greater London|England|United Kingdom|Europe/London|en
New York|-74.02|40.65|0.12|0.18|New York|New York|United States|America/New_York|en
San Francisco|-122.51|37.71|0.13|0.10|San Francisco|California|United States|America/Los_Angeles|en
Paris|2.26|48.82|0.15|0.08||Île-de-France|France|Europe/Paris|fr
Tokyo|139.65|35.62|0.18|0.12||Tōkyō|Japan|Asia/Tokyo|ja
Seattle|-122.42|47.53|0.16|0.18|King|Washington|United States|America/Los_Angeles|en
Chicago|-87.75|41.80|0.15|0.18|Cook|Illinois|United States|America/Chicago|en
Berlin|13.28|52.45|0.24|0.12||Berlin|Germany|Europe/Berlin|de
Barcelona|2.10|41.35|0.12|0.09|Barcelona|Catalonia|Spain|Europe/Madrid|es
Rome|12.42|41.84|0.14|0.10|Rome|Lazio|Italy|Europe/Rome|it
Los Angeles|-118.45|33.95|0.25|0.18|Los Angeles|California|United States|America/Los_Angeles|en
Toronto|-79.50|43.62|0.18|0.12|Toronto|Ontario|Canada|America/Toronto|en
Amsterdam|4.83|52.33|0.12|0.08||North Holland|Netherlands|Europe/Amsterdam|nl
Taipei|121.48|25.01|0.11|0.10||Taipei City|Taiwan|Asia/Taipei|zh
Sydney|151.12|-33.93|0.16|0.12||New South Wales|Australia|Australia/Sydney|en
Madrid|-3.76|40.37|0.12|0.10|Madrid|Madrid|Spain|Europe/Madrid|es
Boston|-71.13|42.31|0.11|0.09|Suffolk|Massachusetts|United States|America/New_York|en
Edinburgh|-3.28|55.91|0.15|0.08|City of Edinburgh|Scotland|United Kingdom|Europe/London|en
Hamburg|9.90|53.52|0.16|0.10||Hamburg|Germany|Europe/Berlin|de
Vancouver|-123.20|49.21|0.16|0.09|Greater Vancouver|British Columbia|Canada|America/Vancouver|en
Melbourne|144.90|-37.87|0.14|0.10||Victoria|Australia|Australia/Melbourne|en
Kyoto|135.70|34.96|0.10|0.09||Kyōto|Japan|Asia/Tokyo|ja
Venice|12.31|45.42|0.06|0.03|Venice|Veneto|Italy|Europe/Rome|it
Lisbon|-9.20|38.69|0.10|0.08|Lisbon|Lisbon|Portugal|Europe/Lisbon|pt
Rio de Janeiro|-43.32|-22.99|0.18|0.12|Rio de Janeiro|Rio de Janeiro|Brazil|America/Sao_Paulo|pt
São Paulo|-46.72|-23.62|0.16|0.12|São Paulo|São Paulo|Brazil|America/Sao_Paulo|pt
Hong Kong|114.12|22.26|0.12|0.10|||Hong Kong|Asia/Hong_Kong|zh
Shanghai|121.40|31.16|0.16|0.12||Shanghai|China|Asia/Shanghai|zh
Beijing|116.30|39.86|0.18|0.12||Beijing|China|Asia/Shanghai|zh
Austin|-97.80|30.20|0.14|0.14|Travis|Texas|United States|America/Chicago|en
Portland|-122.74|45.47|0.16|0.10|Multnomah|Oregon|United States|America/Los_Angeles|en
Washington|-77.08|38.86|0.12|0.10||District of Columbia|United States|America/New_York|en
Dublin|-6.33|53.32|0.14|0.07|Dublin|Dublin|Ireland|Europe/Dublin|en
Vienna|16.31|48.17|0.14|0.09||Vienna|Austria|Europe/Vienna|de
Prague|14.38|50.04|0.12|0.09||Prague|Czech Republic|Europe/Prague|en
Stockholm|18.00|59.29|0.16|0.08||Stockholm|Sweden|Europe/Stockholm|en
Copenhagen|12.50|55.64|0.12|0.08||Capital Region|Denmark|Europe/Copenhagen|en
Oslo|10.68|59.89|0.14|0.06||Oslo|Norway|Europe/Oslo|en
Helsinki|24.88|60.15|0.14|0.06||Uusimaa|Finland|Europe/Helsinki|en
Reykjavík|-21.98|64.11|0.16|0.05||Capital Region|Iceland|Atlantic/Reykjavik|en
Zürich|8.48|47.34|0.11|0.08|Zürich|Zürich|Switzerland|Europe/Zurich|de
Brussels|4.31|50.81|0.10|0.07||Brussels|Belgium|Europe/Brussels|fr
Kraków|19.89|50.03|0.13|0.06|Kraków|Małopolska|Poland|Europe/Warsaw|en
Budapest|19.00|47.46|0.13|0.09||Budapest|Hungary|Europe/Budapest|en
Athens|23.70|37.95|0.08|0.07|Athens|Attica|Greece|Europe/Athens|el
İstanbul|28.93|41.00|0.12|0.08||İstanbul|Turkey|Europe/Istanbul|en
Moscow|37.52|55.69|0.18|0.12||Moscow|Russia|Europe/Moscow|ru
Saint Petersburg|30.22|59.88|0.20|0.10||Saint Petersburg|Russia|Europe/Moscow|ru
Tel Aviv|34.76|32.04|0.05|0.09||Tel Aviv|Israel|Asia/Jerusalem|he
Cairo|31.20|30.00|0.10|0.10||Cairo|Egypt|Africa/Cairo|ar
Marrakech|-8.05|31.60|0.08|0.07|Marrakech|Marrakech-Safi|Morocco|Africa/Casablanca|ar
Nairobi|36.76|-1.33|0.13|0.08||Nairobi|Kenya|Africa/Nairobi|en
Cape Town|18.38|-34.00|0.15|0.10|City of Cape Town|Western Cape|South Africa|Africa/Johannesburg|en
Delhi|77.14|28.56|0.14|0.12||Delhi|India|Asia/Kolkata|hi
Mumbai|72.82|18.92|0.08|0.18|Mumbai|Maharashtra|India|Asia/Kolkata|hi
Bangkok|100.48|13.69|0.12|0.11||Bangkok|Thailand|Asia/Bangkok|th
Chiang Mai|98.96|18.76|0.06|0.06|Mueang|Chiang Mai|Thailand|Asia/Bangkok|th
Singapore|103.78|1.27|0.14|0.10|||Singapore|Asia/Singapore|en
Macau|113.53|22.18|0.03|0.04|||Macao|Asia/Macau|zh
Seoul|126.92|37.51|0.14|0.09||Seoul|South Korea|Asia/Seoul|ko
Busan|129.00|35.10|0.13|0.10||Busan|South Korea|Asia/Seoul|ko
Osaka|135.46|34.64|0.09|0.09||Ōsaka|Japan|Asia/Tokyo|ja
Wellington|174.74|-41.32|0.08|0.07|Wellington City|Wellington|New Zealand|Pacific/Auckland|en
Buenos Aires|-58.46|-34.65|0.10|0.08||Distrito Federal|Argentina|America/Buenos_Aires|es
Santiago|-70.70|-33.48|0.12|0.09|Santiago|Región Metropolitana|Chile|America/Santiago|es
Lima|-77.08|-12.14|0.10|0.10|Lima|Lima|Peru|America/Lima|es
Cusco|-71.99|-13.54|0.05|0.04|Cusco|Cusco|Peru|America/Lima|es
Bogotá|-74.12|4.58|0.10|0.14||Distrito Capital|Colombia|America/Bogota|es
Mexico City|-99.20|19.36|0.12|0.12||Distrito Federal|Mexico|America/Mexico_City|es
Montréal|-73.64|45.46|0.14|0.10|Montréal|Québec|Canada|America/Toronto|fr
"""


def _parse_city(line: str) -> City:
    name, west, south, width, height, county, state, country, zone, language = line.split("|")
    return City(
        name,
        float(west),
        float(south),
        float(width),
        float(height),
        county,
        state,
        country,
        zone,
        language,
    )


CITIES: Final = tuple(_parse_city(line) for line in _CITIES.splitlines())

_SUBURB_HEADS: Final = """
Alder Amber Ash Bar Birch Black Bram Bright Brook Cedar Chal Cliff Cold Cop Cran Dal Dun East Elm
Fair Fern Fox Glen Gold Gran Green Had Hal Hart Hazel High Holl Holm Iron Kel Kings Lang Lark Lin
Long Low Maple Mar Mid Mill Moor Nether New North Oak Old Otter Pen Pine Queens Raven Red Rock
Rose Row Saint Sand Silver South Stan Stone Sun Swan Thorn Upper Val Wal West White Wil Wind Wood
York
"""
_SUBURB_TAILS: Final = """
acre bank beck borough bridge brook burn bury by cliffe combe cote croft cross dale den don end
field ford garth gate green grove ham harbour haven heath hill holt hurst land lea ley market mead
mere mill moor mount ness park point quay ridge rise shaw side stead stoke ton vale view ville
wade way well wick wood worth
"""

#: Invented suburbs are one of each.
SUBURB_HEADS: Final = tuple(_SUBURB_HEADS.split())
SUBURB_TAILS: Final = tuple(_SUBURB_TAILS.split())
