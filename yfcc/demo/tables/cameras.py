"""Cameras, with what their EXIF says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Camera:
    """One camera model.

    Attributes
    ----------
    make, model : str
        As the EXIF has them.
    width, height : int
        Pixels.
    kind : str
        ``dslr``, ``compact``, ``phone`` or ``scanner``.
    file_prefix : str
        How its file names begin, without the number.
    shortest_mm, longest_mm : float
        Range of the focal length.
    """

    make: str
    model: str
    width: int
    height: int
    kind: str
    file_prefix: str
    shortest_mm: float
    longest_mm: float

    @property
    def device(self) -> str:
        """The dataset's capture device: make and model, the make once."""
        return self.model if self.model.startswith(self.make) else f"{self.make} {self.model}"


_CAMERAS: Final = """\
Canon|Canon EOS DIGITAL REBEL XT|3456|2304|dslr|IMG_|18|55
Canon|Canon EOS 5D|4368|2912|dslr|IMG_|24|105
Canon|Canon EOS 5D Mark II|5616|3744|dslr|IMG_|24|105
Canon|Canon EOS 40D|3888|2592|dslr|IMG_|17|85
Canon|Canon EOS 7D|5184|3456|dslr|IMG_|15|85
Canon|Canon EOS 550D|5184|3456|dslr|IMG_|18|55
Canon|Canon EOS REBEL T3i|5184|3456|dslr|IMG_|18|55
Canon|Canon EOS 30D|3504|2336|dslr|IMG_|17|85
Canon|Canon PowerShot SD1000|3072|2304|compact|IMG_|5.8|17.4
Canon|Canon PowerShot G9|4000|3000|compact|IMG_|7.4|44.4
Canon|Canon PowerShot A620|3072|2304|compact|IMG_|7.3|29.2
Canon|Canon PowerShot S95|3648|2736|compact|IMG_|6|22.5
Canon|Canon DIGITAL IXUS 70|3072|2304|compact|IMG_|5.8|17.4
NIKON CORPORATION|NIKON D70|3008|2000|dslr|DSC_|18|70
NIKON CORPORATION|NIKON D80|3872|2592|dslr|DSC_|18|135
NIKON CORPORATION|NIKON D90|4288|2848|dslr|DSC_|18|105
NIKON CORPORATION|NIKON D300|4288|2848|dslr|DSC_|18|200
NIKON CORPORATION|NIKON D700|4256|2832|dslr|DSC_|24|70
NIKON CORPORATION|NIKON D7000|4928|3264|dslr|DSC_|18|105
NIKON CORPORATION|NIKON D3100|4608|3072|dslr|DSC_|18|55
NIKON|E4300|2272|1704|compact|DSCN|8|24
NIKON|COOLPIX S210|3264|2448|compact|DSCN|6.3|18.9
NIKON|COOLPIX L18|3264|2448|compact|DSCN|5.7|17.1
SONY|DSC-W55|3072|2304|compact|DSC0|6.3|18.9
SONY|DSC-H9|3264|2448|compact|DSC0|5.2|78
SONY|DSC-W120|3072|2304|compact|DSC0|5.35|21.4
SONY|DSLR-A100|3872|2592|dslr|DSC0|18|70
SONY|DSLR-A700|4272|2848|dslr|DSC0|16|105
SONY|NEX-5|4592|3056|dslr|DSC0|18|55
Panasonic|DMC-TZ5|3456|2592|compact|P10|4.7|47
Panasonic|DMC-LX3|3648|2736|compact|P10|5.1|12.8
Panasonic|DMC-FZ28|3648|2736|compact|P10|4.8|86.4
Panasonic|DMC-GF1|4000|3000|dslr|P10|14|45
OLYMPUS IMAGING CORP.|E-510|3648|2736|dslr|P7|14|42
OLYMPUS IMAGING CORP.|E-P1|4032|3024|dslr|P7|14|42
OLYMPUS CORPORATION|C-5060WZ|2592|1944|compact|P5|5.7|22.9
FUJIFILM|FinePix F31fd|2848|2136|compact|DSCF|8|24
FUJIFILM|FinePix S5700|3072|2304|compact|DSCF|6.3|63
FUJIFILM|FinePix X100|4288|2848|compact|DSCF|23|23
PENTAX Corporation|PENTAX K100D|3008|2008|dslr|IMGP|18|55
PENTAX|PENTAX K-5|4928|3264|dslr|IMGP|18|135
EASTMAN KODAK COMPANY|KODAK EASYSHARE C613|2832|2128|compact|100_|6|18
EASTMAN KODAK COMPANY|KODAK DX6490|2304|1728|compact|100_|6.3|63
CASIO COMPUTER CO.,LTD|EX-Z750|3072|2304|compact|CIMG|7.9|23.7
Samsung Techwin|<Digimax S500 / Kenox S500 / Digimax Cyber 530>|2592|1944|compact|SDC1|5.8|17.4
RICOH|GR DIGITAL 2|3648|2736|compact|R00|5.9|5.9
LEICA CAMERA AG|M9 Digital Camera|5212|3472|dslr|L100|35|50
Apple|iPhone|1600|1200|phone|IMG_|3.85|3.85
Apple|iPhone 3GS|2048|1536|phone|IMG_|3.85|3.85
Apple|iPhone 4|2592|1936|phone|IMG_|3.85|3.85
Apple|iPhone 4S|3264|2448|phone|IMG_|4.28|4.28
Apple|iPhone 5|3264|2448|phone|IMG_|4.12|4.12
Nokia|N95|2592|1944|phone|Image|5.6|5.6
HTC|Desire HD|3264|1952|phone|IMAG|4.57|4.57
Samsung|GT-I9100|3264|2448|phone|2012|4.03|4.03
Sony Ericsson|K800i|2048|1536|phone|DSC0|4.8|4.8
NORITSU KOKI|QSS-32_33|3088|2048|scanner|R1-|0|0
EPSON|Perfection V500|4800|3200|scanner|scan|0|0
"""


def _parse_camera(line: str) -> Camera:
    make, model, width, height, kind, prefix, shortest, longest = line.split("|")
    return Camera(
        make, model, int(width), int(height), kind, prefix, float(shortest), float(longest)
    )


CAMERAS: Final = tuple(_parse_camera(line) for line in _CAMERAS.splitlines())
