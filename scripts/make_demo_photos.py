#!/usr/bin/env python3
"""Make the demo's photos: NASA's public-domain portrait as it is, and two pictures with a licence plate drawn in.

    python3 scripts/make_demo_photos.py --out .setup/demo
"""

import argparse
import pathlib

from make_fixtures import PICTURES, face, plate, street

from PIL import Image, ImageFilter


def street_with_car(width: int, height: int, seed: int = 5) -> Image.Image:
    """A drawn street with the back of a car, its plate, and a passer-by whose face is the portrait's."""
    photo = street(width, height, seed)
    body = Image.new("RGB", (width // 3, height // 4), (120, 24, 30))
    body = body.filter(ImageFilter.GaussianBlur(2))
    photo.paste(body, (width // 8, height * 5 // 8))
    number = plate("ME 74 TRX", width // 16)
    photo.paste(number, (width // 8 + body.width // 2 - number.width // 2, height * 3 // 4))
    passer_by = face(height // 12)
    photo.paste(passer_by, (width * 2 // 3, height // 2))
    return photo


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--large", action="store_true", help="three photos of 12 megapixels instead, for `make bench`")
    args = parser.parse_args()
    out = args.out
    out.mkdir(parents=True, exist_ok=True)
    if args.large:
        for seed in range(3):
            street_with_car(4032, 3024, seed).save(out / f"street_{seed}.jpg", quality=92)
        return
    portrait = Image.open(PICTURES / "astronaut.png").convert("RGB")
    portrait.save(out / "portrait.jpg", quality=93)
    coffee = Image.open(PICTURES / "coffee.png").convert("RGB")
    coffee.paste(plate("AB 12 CDE", 90), (200, 40))
    coffee.save(out / "plate_on_a_table.png")
    street_with_car(1600, 1200).save(out / "street.jpg", quality=92)


if __name__ == "__main__":
    main()
