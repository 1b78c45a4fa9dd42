#!/usr/bin/env python3
"""Draw the pictures that the tests use: every flavour of every format, files that carry metadata, plates and a face.

    python3 scripts/make_fixtures.py --out .setup/fixtures

Everything is drawn here, except one face: NASA's public-domain portrait of Eileen Collins, which set-up fetches.
Needs Pillow, `cjpeg` (libjpeg-turbo) and `exiftool`. The same bytes come out of every run on one machine, but for the
date inside the colour profile of the files that carry metadata.
"""

import argparse
import pathlib
import random
import struct
import subprocess
import zlib

from fixture_formats import (
    SECRET_TAIL, orientation_exif, save_as, write_bmps, write_gifs, write_secrets, write_tiffs, write_webps,
)  # fmt: skip
from PIL import Image, ImageCms, ImageDraw, ImageFilter, ImageFont, PngImagePlugin

PICTURES = pathlib.Path(".setup/pictures")
# Where the face is in the portrait of 512 x 512: forehead to chin, ear to ear.
FACE = (174, 66, 274, 190)
PLATE_TEXT = "KX 58 RBD"


def street(width: int, height: int, seed: int = 1) -> Image.Image:
    """A street of flat houses under a graded sky, with enough texture that no codec finds it trivial."""
    rng = random.Random(seed)
    sky = Image.linear_gradient("L").resize((width, height))
    picture = Image.merge("RGB", [sky.point(lambda v, k=k: 90 + v * k // 300) for k in (110, 150, 190)])
    draw = ImageDraw.Draw(picture)
    x = 0
    while x < width:
        w, h = rng.randint(width // 12, width // 5) + 1, rng.randint(height // 3, height * 2 // 3) + 1
        colour = tuple(rng.randint(60, 200) for _ in range(3))
        draw.rectangle([x, height - h, x + w, height], fill=colour)
        step = max(6, w // 5)
        for wx in range(x + step // 2, x + w - step // 2, step):
            for wy in range(height - h + step // 2, height - step, step):
                draw.rectangle([wx, wy, wx + step // 3, wy + step // 2], fill=tuple(c // 2 for c in colour))
        x += w
    noise = Image.frombytes("L", (width, height), rng.randbytes(width * height))
    return Image.blend(picture, Image.merge("RGB", [noise] * 3), 0.08)


def plate(text: str, width: int, scale: int = 8) -> Image.Image:
    """A white plate with dark letters in a dark holder, `width` pixels wide, with a bumper around it."""
    w, h = width * scale, width * scale * 11 // 52
    face = Image.new("RGB", (w, h), (236, 236, 232))
    draw = ImageDraw.Draw(face)
    draw.rectangle([0, 0, w - 1, h - 1], outline=(20, 20, 20), width=max(1, h // 24))
    draw.rectangle([0, 0, w // 11, h], fill=(20, 60, 160))
    font = ImageFont.load_default(h * 0.74)
    draw.text((w * 0.54, h * 0.5), text, font=font, fill=(18, 18, 18), anchor="mm", stroke_width=h // 40)
    bumper = Image.new("RGB", (w * 2, h * 4), (58, 62, 70))
    trim = ImageDraw.Draw(bumper)
    trim.rectangle([0, 0, w * 2, h], fill=(96, 104, 118))
    trim.rectangle([0, h * 3.3, w * 2, h * 4], fill=(24, 24, 26))
    bumper.paste(face, (w // 2, h * 3 // 2))
    return bumper.resize((width * 2, width * 2 * h * 2 // w), Image.Resampling.LANCZOS)


def face(height: int) -> Image.Image:
    """The portrait's head and shoulders, scaled so that the face is `height` pixels high."""
    portrait = Image.open(PICTURES / "astronaut.png").convert("RGB")
    left, top, right, bottom = FACE
    side = bottom - top
    head = portrait.crop((left - side, top - side // 2, right + side, bottom + side * 3 // 2))
    scale = height / side
    return head.resize((round(head.width * scale), round(head.height * scale)), Image.Resampling.LANCZOS)


def run(*command: object, stdin: bytes = b"") -> bytes:
    return subprocess.run([str(part) for part in command], input=stdin, check=True, stdout=subprocess.PIPE).stdout


def ppm(picture: Image.Image) -> bytes:
    return b"P6 %d %d 255\n" % picture.size + picture.tobytes()


def drop_segment(jpeg: bytes, marker: int) -> bytes:
    at = 2
    while jpeg[at] == 0xFF:
        length = 2 + struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
        if jpeg[at + 1] == marker:
            return jpeg[:at] + jpeg[at + length :]
        at += length
    raise ValueError(f"no segment {marker:#x}")


def patch_frame(jpeg: bytes, marker: int = 0xC0, precision: int = 8, size: tuple[int, int] | None = None) -> bytes:
    """Another frame header over the same data: what a decoder that we refuse to be would see."""
    at = jpeg.index(b"\xff\xc0\x00\x11\x08")
    height, width = struct.unpack(">HH", jpeg[at + 5 : at + 9])
    if size:
        width, height = size
    return jpeg[:at] + struct.pack(">BBHBHH", 0xFF, marker, 17, precision, height, width) + jpeg[at + 9 :]


def write_jpegs(out: pathlib.Path) -> None:
    picture = street(203, 157)
    cmyk = picture.convert("CMYK")
    grey = picture.convert("L")
    save = lambda name, image=picture, **options: image.save(out / f"{name}.jpg", quality=88, **options)
    save("420", subsampling=2)
    save("422", subsampling=1)
    save("444", subsampling=0)
    save("progressive", progressive=True)
    save("optimised", optimize=True)
    save("grey", grey)
    save("cmyk_inverted", cmyk)
    for name, arguments in {
        "440": ["-sample", "1x2"],
        "411": ["-sample", "4x1"],
        "restart": ["-restart", "1"],
        "restart_blocks": ["-restart", "3B"],
        "arithmetic": ["-arithmetic"],
        "rgb": ["-rgb"],
    }.items():
        (out / f"{name}.jpg").write_bytes(run("cjpeg", "-quality", 88, *arguments, stdin=ppm(picture)))
    scans = out / "scans.txt"
    scans.write_text("0;\n1;\n2;\n")
    (out / "noninterleaved.jpg").write_bytes(run("cjpeg", "-quality", 88, "-scans", scans, stdin=ppm(picture)))
    scans.unlink()
    # Without Adobe's marker CMYK is not inverted, so the same picture needs inverted samples.
    inverted = Image.merge("CMYK", [band.point(lambda v: 255 - v) for band in cmyk.split()])
    save("cmyk_plain", inverted)
    path = out / "cmyk_plain.jpg"
    path.write_bytes(drop_segment(path.read_bytes(), 0xEE))
    for side in (1, 7, 8, 16, 17):
        street(side, side).save(out / f"tiny_{side}.jpg", quality=88)
    for orientation in range(1, 9):
        save(f"orientation_{orientation}", exif=orientation_exif(orientation))
    baseline = (out / "444.jpg").read_bytes()
    (out / "refused_lossless.jpg").write_bytes(patch_frame(baseline, marker=0xC3))
    (out / "refused_12bit.jpg").write_bytes(patch_frame(baseline, precision=12))
    (out / "refused_huge.jpg").write_bytes(patch_frame(baseline, size=(65535, 65535)))
    (out / "refused_bomb.jpg").write_bytes(patch_frame(baseline, size=(9000, 9000)))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def deep_rows(picture: Image.Image) -> bytes:
    """16 bits a sample, without filter."""
    data, stride = picture.tobytes(), picture.width * len(picture.getbands())
    rows = (data[at : at + stride] for at in range(0, len(data), stride))
    return b"".join(b"\0" + b"".join(bytes((value, (value * 7) % 256)) for value in row) for row in rows)


def write_pngs(out: pathlib.Path) -> None:
    picture = street(101, 83)
    alpha = Image.linear_gradient("L").resize(picture.size)
    rgba = picture.copy()
    rgba.putalpha(alpha)
    save = lambda name, image, **options: image.save(out / f"{name}.png", **options)
    save("rgb", picture)
    save("rgba", rgba)
    save("grey", picture.convert("L"))
    save("grey_alpha", rgba.convert("LA"))
    save("palette", picture.quantize(64))
    save("palette_transparent", picture.quantize(64), transparency=3)
    save("bits1", picture.convert("1"))
    save("orientation_6", picture, exif=orientation_exif(6))
    (out / "rgb16.png").write_bytes(png(101, 83, 16, 2, deep_rows(picture)))
    (out / "grey16.png").write_bytes(png(101, 83, 16, 0, deep_rows(picture.convert("L"))))
    (out / "rgba16.png").write_bytes(png(101, 83, 16, 6, deep_rows(rgba)))
    save("refused_animation", picture, save_all=True, append_images=[street(101, 83, 2)])
    (out / "refused_bomb.png").write_bytes(png(20000, 20000, 1, 0, b"\0" * 2501 * 20000))
    (out / "refused_lie.png").write_bytes(png(9000, 9000, 8, 2, b"\0" * 100))


def write_metadata(out: pathlib.Path) -> None:
    """Files full of what must not leave; every secret holds the word SECRET."""
    picture = street(320, 240)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace(b"s\0R\0G\0B\0 \0b", b"S\0E\0C\0R\0E\0T")
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "SECRET text")
    text.add_itxt("Title", "SECRET international text", zip=True)
    text.add_text("Author", "SECRET compressed text " * 20, zip=True)
    picture.save(out / "metadata.png", pnginfo=text, icc_profile=profile)
    picture.save(out / "metadata.jpg", quality=90, icc_profile=profile)
    thumbnail = out / "thumbnail.jpg"
    picture.resize((96, 72)).save(thumbnail)
    others = write_secrets(out, picture, profile)
    # exiftool writes no BMP, and to GIF only comments and XMP.
    for name in ("metadata.jpg", "metadata.png", *others[:-2]):
        run(
            "exiftool", "-q", "-m", "-overwrite_original", "-n", f"-ThumbnailImage<={thumbnail}",
            "-Orientation=6", "-Make=SECRET make", "-Model=SECRET model", "-SerialNumber=SECRET 4711",
            "-LensSerialNumber=SECRET lens", "-Artist=SECRET artist", "-Copyright=SECRET holder",
            "-DateTimeOriginal=2024:05:06 07:08:09", "-GPSLatitude=48.8583", "-GPSLatitudeRef=N",
            "-GPSLongitude=2.2944", "-GPSLongitudeRef=E", "-UserComment=SECRET comment",
            "-XMP:Creator=SECRET creator", "-XMP:Description=SECRET description", "-IPTC:City=SECRET city",
            "-IPTC:Caption-Abstract=SECRET caption", "-Comment=SECRET file comment", out / name,
        )  # fmt: skip
    run("exiftool", "-q", "-overwrite_original", "-XMP:Creator=SECRET creator", out / "metadata.gif")
    for name in ("metadata.jpg", "metadata.png", *others):
        with open(out / name, "ab") as file:
            file.write(SECRET_TAIL)
    thumbnail.unlink()


def write_people_and_plates(out: pathlib.Path) -> None:
    face(20).save(out / "face_20px.png")
    face(120).save(out / "face_120px.png")
    plate(PLATE_TEXT, 40).save(out / "plate_40px.png")
    plate(PLATE_TEXT, 160).save(out / "plate_160px.png")
    scene = street(640, 480, 3)
    portrait = Image.open(PICTURES / "astronaut.png").convert("RGB")
    scene.paste(portrait.resize((256, 256), Image.Resampling.LANCZOS), (40, 120))
    scene.paste(plate(PLATE_TEXT, 110).filter(ImageFilter.GaussianBlur(0.4)), (380, 340))
    scene.save(out / "scene.png")
    for name in ("scene.jpg", "scene.webp", "scene_lossless.webp", "scene.bmp", "scene.tif", "scene.gif"):
        save_as(scene, out / name)
    # The same scene stored in every orientation: upright, all look alike.
    turn = Image.Transpose
    stored = [
        None, turn.FLIP_LEFT_RIGHT, turn.ROTATE_180, turn.FLIP_TOP_BOTTOM,
        turn.TRANSPOSE, turn.ROTATE_90, turn.TRANSVERSE, turn.ROTATE_270,
    ]  # fmt: skip
    for orientation, method in enumerate(stored, start=1):
        turned = scene if method is None else scene.transpose(method)
        exif = orientation_exif(orientation).tobytes()
        save_as(turned, out / f"scene_{orientation}.jpg", exif=exif)
        save_as(turned, out / f"scene_{orientation}.webp", exif=exif)
        save_as(turned, out / f"scene_{orientation}.tif", tiffinfo={274: orientation})
    # A face that is only there on a light background: black everywhere, drawn by transparency alone.
    ghost = Image.new("RGBA", scene.size)
    ghost.putalpha(scene.convert("L").point(lambda v: 255 - v))
    ghost.save(out / "ghost.png")
    # A face under full transparency: no viewer shows it, every editor could.
    hidden = scene.copy()
    hidden.putalpha(Image.new("L", scene.size, 0))
    hidden.save(out / "hidden.png")


def write_mutants(out: pathlib.Path) -> None:
    """One small photo of a face in every format: what mutations start from."""
    for name in ("face.jpg", "face.png", "face.webp", "face_lossless.webp", "face.bmp", "face.tif", "face.gif"):
        save_as(face(48), out / name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    out = parser.parse_args().out
    for folder, write in {
        "jpeg": write_jpegs, "png": write_pngs, "metadata": write_metadata, "people": write_people_and_plates,
        "mutants": write_mutants,
    }.items():  # fmt: skip
        (out / folder).mkdir(parents=True, exist_ok=True)
        write(out / folder)
    for folder, write in {"webp": write_webps, "bmp": write_bmps, "tiff": write_tiffs, "gif": write_gifs}.items():
        (out / folder).mkdir(parents=True, exist_ok=True)
        write(out / folder, street)


if __name__ == "__main__":
    main()
