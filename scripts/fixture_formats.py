"""The pictures of `make_fixtures.py` in every flavour of WebP, BMP, TIFF and GIF.

Pillow draws what it can; flavours that it cannot write are put together here, byte by byte.
"""

import io
import pathlib
import struct

from PIL import Image, ImageCms

SECRET_TAIL = b"SECRET trailing bytes" * 50


def orientation_exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def with_alpha(picture: Image.Image) -> Image.Image:
    """Transparent at the top, opaque at the bottom."""
    picture = picture.copy()
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    return picture


def write_webps(out: pathlib.Path, street) -> None:
    picture = street(101, 83)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    save = lambda name, image=picture, **options: image.save(out / f"{name}.webp", **options)
    save("lossy", quality=80)
    save("lossy_coarse", quality=20)
    save("lossy_alpha", with_alpha(picture), quality=90)
    save("lossy_profile", quality=80, icc_profile=profile)
    save("lossless", lossless=True)
    save("lossless_alpha", with_alpha(picture), lossless=True, exact=True)
    save("lossless_grey", picture.convert("L"), lossless=True)
    save("lossless_palette", picture.quantize(16).convert("RGB"), lossless=True)
    for orientation in range(1, 9):
        save(f"lossless_orientation_{orientation}", lossless=True, exif=orientation_exif(orientation).tobytes())
    for side in (1, 15, 16, 17):
        save(f"lossy_tiny_{side}", street(side, side), quality=90)
    save("refused_animation", save_all=True, append_images=[street(101, 83, 2)], duration=100)
    save("refused_animation_lossless", save_all=True, append_images=[street(101, 83, 2)], lossless=True)
    two = (out / "lossless.webp").read_bytes()
    body = two[12:] * 2
    (out / "refused_two_pictures.webp").write_bytes(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body)


def bmp(size: tuple[int, int], bits: int, rows: bytes, coding=0, palette=b"", masks=b"", header=40) -> bytes:
    """`rows` as they are stored; a negative height means from the top."""
    width, height = size
    info = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, coding, len(rows), 0, 0, len(palette) // 4, 0)
    info = (info + masks).ljust(header, b"\0") if header > 40 else info + masks
    offset = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(rows), 0, 0, offset) + info + palette + rows


def padded_rows(data: bytes, stride: int, height: int, upwards: bool = True) -> bytes:
    rows = [data[at : at + stride].ljust(-(-stride // 4) * 4, b"\0") for at in range(0, stride * height, stride)]
    return b"".join(reversed(rows) if upwards else rows)


def run_lengths(indices: bytes, width: int, nibbles: bool) -> bytes:
    """Encoded runs, an absolute run at the start of every row, end of row, end of bitmap."""
    out = b""
    for start in reversed(range(0, len(indices), width)):
        row, at = indices[start : start + width], 4
        plain = bytes((row[0] << 4 | row[1], row[2] << 4 | row[3])) if nibbles else row[:4]
        out += b"\0\x04" + plain
        while at < width:
            length = 1
            while at + length < width and length < 255 and row[at + length] == row[at]:
                length += 1
            out += bytes((length, row[at] << 4 | row[at] if nibbles else row[at]))
            at += length
        out += b"\0\0"
    return out + b"\0\x01"


def write_bmps(out: pathlib.Path, street) -> None:
    picture = street(101, 83)
    width, height = picture.size
    rgba = with_alpha(picture)
    save = lambda name, image: image.save(out / f"{name}.bmp")
    write = lambda name, *arguments, **options: (out / f"{name}.bmp").write_bytes(bmp(*arguments, **options))
    save("rgb", picture)
    save("grey", picture.convert("L"))
    save("palette", picture.quantize(200))
    save("bits1", picture.convert("1"))
    bgr, bgra = picture.tobytes("raw", "BGR"), rgba.tobytes("raw", "BGRA")
    write("top_down", (width, -height), 24, padded_rows(bgr, width * 3, height, upwards=False))
    write("xrgb32", (width, height), 32, padded_rows(picture.tobytes("raw", "BGRX"), width * 4, height))
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    write("argb32", (width, height), 32, padded_rows(bgra, width * 4, height), coding=3, masks=masks, header=108)
    empty = b"".join(bgra[at : at + 3] + b"\0" for at in range(0, len(bgra), 4))
    write("empty_alpha32", (width, height), 32, padded_rows(empty, width * 4, height), coding=3, masks=masks, header=124)
    red, green, blue = (band.tobytes() for band in picture.split())
    rgb565 = b"".join(struct.pack("<H", r >> 3 << 11 | g >> 2 << 5 | b >> 3) for r, g, b in zip(red, green, blue))
    rgb555 = b"".join(struct.pack("<H", r >> 3 << 10 | g >> 3 << 5 | b >> 3) for r, g, b in zip(red, green, blue))
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    write("rgb565", (width, height), 16, padded_rows(rgb565, width * 2, height), coding=3, masks=masks)
    write("rgb555", (width, height), 16, padded_rows(rgb555, width * 2, height))
    for name, coding, colours in (("rle8", 1, 64), ("rle4", 2, 16)):
        few = picture.quantize(colours)
        table = few.getpalette()[: colours * 3]
        table = b"".join(bytes((*reversed(table[at : at + 3]), 0)) for at in range(0, len(table), 3))
        runs = run_lengths(few.tobytes(), width, coding == 2)
        write(name, (width, height), 8 // coding, runs, coding=coding, palette=table)
    core = struct.pack("<IHHHH", 12, width, height, 1, 24)
    rows = padded_rows(bgr, width * 3, height)
    (out / "core.bmp").write_bytes(b"BM" + struct.pack("<IHHI", 26 + len(rows), 0, 0, 26) + core + rows)
    write("refused_bomb", (20000, 20000), 1, b"\0" * 100)
    write("refused_lie", (9000, 9000), 24, b"\0" * 1000)
    write("refused_jpeg_inside", (width, height), 0, b"\xff\xd8\xff\xd9", coding=4)


def tiff(size: tuple[int, int], strips: list[bytes], tags: dict[int, tuple], order: str = "<") -> bytes:
    """One uncompressed picture; tags are (type, values) with type 3 for 16 and 4 for 32 bits."""
    at, data, offsets = 8, b"", []
    for strip in strips:
        offsets.append(at + len(data))
        data += strip
    tags = {
        256: (4, [size[0]]), 257: (4, [size[1]]), 259: (3, [1]), 273: (4, offsets), 278: (4, [size[1]]),
        279: (4, [len(strip) for strip in strips]),
    } | tags  # fmt: skip
    outside, entries, place = b"", b"", at + len(data) + 2 + 12 * len(tags) + 4
    for tag, (kind, values) in sorted(tags.items()):
        value = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(value) > 4:
            outside, value = outside + value, struct.pack(f"{order}I", place + len(outside))
        entries += struct.pack(f"{order}HHI", tag, kind, len(values)) + value.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", at + len(data))
    return head + data + struct.pack(f"{order}H", len(tags)) + entries + b"\0" * 4 + outside


def write_tiffs(out: pathlib.Path, street) -> None:
    picture = street(101, 83)
    rgba, grey, size = with_alpha(picture), picture.convert("L"), picture.size
    save = lambda name, image=picture, **options: image.save(out / f"{name}.tif", **options)
    write = lambda name, *arguments, **options: (out / f"{name}.tif").write_bytes(tiff(size, *arguments, **options))
    save("plain")
    for name in ("tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits"):
        save(name.removeprefix("tiff_"), compression=name)
    save("lzw_predictor", compression="tiff_lzw", tiffinfo={317: 2})
    save("grey", grey)
    save("grey_alpha", rgba.convert("LA"))
    save("rgba", rgba)
    save("cmyk", picture.convert("CMYK"), compression="tiff_lzw")
    save("bits1", picture.convert("1"), compression="packbits")
    save("profile", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for orientation in range(1, 9):
        save(f"orientation_{orientation}", tiffinfo={274: orientation})
    rgb = {258: (3, [8, 8, 8]), 262: (3, [2]), 277: (3, [3])}
    planes = [band.tobytes() for band in picture.split()]
    write("planar", planes, rgb | {284: (3, [2])})
    write("big_endian", [picture.tobytes()], rgb, order=">")
    deep = b"".join(struct.pack(">H", value * 257) for value in picture.tobytes())
    write("rgb16", [deep], rgb | {258: (3, [16, 16, 16])}, order=">")
    one = {258: (3, [8]), 262: (3, [1]), 277: (3, [1])}
    write("grey16", [b"".join(struct.pack("<H", value * 257) for value in grey.tobytes())], one | {258: (3, [16])})
    write("white_is_zero", [bytes(255 - value for value in grey.tobytes())], one | {262: (3, [0])})
    four = b"".join(grey.crop((0, y, 101, y + 1)).point(lambda v: v >> 4).tobytes() + b"\0" for y in range(83))
    packed = bytes(four[at] << 4 | four[at + 1] for at in range(0, len(four), 2))
    write("grey4", [packed], one | {258: (3, [4])})
    unused = Image.merge("RGBA", [*picture.split(), grey]).tobytes()
    more = rgb | {258: (3, [8] * 4), 277: (3, [4])}
    write("unused_sample", [unused], more | {338: (3, [0])})
    multiplied = Image.composite(picture, Image.new("RGB", size), rgba.getchannel("A"))
    multiplied = Image.merge("RGBA", [*multiplied.split(), rgba.getchannel("A")]).tobytes()
    write("associated_alpha", [multiplied], more | {338: (3, [1])})
    tile, tiles = 64, []
    for y in range(0, 83, tile):
        for x in range(0, 101, tile):
            tiles.append(picture.crop((x, y, x + tile, y + tile)).tobytes())
    tiled = tiff(size, tiles, rgb | {322: (4, [tile]), 323: (4, [tile])})
    # The numbers of the tags for tiles instead of those for strips; both stand in ascending order.
    tiled = tiled.replace(struct.pack("<HH", 273, 4), struct.pack("<HH", 324, 4))
    tiled = tiled.replace(struct.pack("<HH", 279, 4), struct.pack("<HH", 325, 4))
    tiled = tiled.replace(struct.pack("<HHI", 278, 4, 1), struct.pack("<HHI", 60000, 4, 1))
    (out / "tiled.tif").write_bytes(tiled)
    save("refused_pages", save_all=True, append_images=[street(101, 83, 2)])
    save("refused_palette", picture.quantize(64))
    save("refused_float", grey.convert("F"))
    save("refused_jpeg_inside", compression="jpeg")
    save("fax", picture.convert("1"), compression="group4")
    save("refused_big", big_tiff=True)
    write("refused_preview", [picture.tobytes()], rgb | {254: (4, [1])})
    write("refused_sub_directories", [picture.tobytes()], rgb | {330: (4, [8])})
    write("refused_dng", [picture.tobytes()], rgb | {50706: (4, [1])})
    whole = (out / "plain.tif").read_bytes()
    (out / "refused_cr2.tif").write_bytes(whole[:8] + b"CR\x02\0" + whole[12:])
    write("refused_short_strip", [picture.tobytes()[:5000]], rgb)


def write_gifs(out: pathlib.Path, street) -> None:
    picture = street(101, 83).quantize(256)
    save = lambda name, image=picture, **options: image.save(out / f"{name}.gif", **options)
    save("plain", interlace=0)
    save("interlaced", interlace=1)
    save("grey", street(101, 83).convert("L"))
    save("few_colours", street(101, 83).quantize(7))
    save("transparent", picture, transparency=3)
    save("old", street(101, 83).quantize(2))
    save("refused_animation", save_all=True, append_images=[street(101, 83, 2).quantize(64)], duration=100)
    plain = bytearray((out / "plain.gif").read_bytes())
    # The same frame on a larger screen, and on one that is too small for it.
    for name, size in (("frame_in_screen", (150, 120)), ("frame_beyond_screen", (50, 40))):
        changed = bytearray(plain)
        changed[6:10] = struct.pack("<HH", *size)
        (out / f"{name}.gif").write_bytes(changed)
    (out / "refused_no_trailer.gif").write_bytes(plain[:-1])


def save_as(picture: Image.Image, path: pathlib.Path, **options) -> None:
    """Save lossless WebP as `*_lossless.webp`, GIF with a full palette of its own, the rest as the name says."""
    if path.suffix == ".gif":
        picture = picture.quantize(256)
    if path.suffix in (".jpg", ".webp") and not path.stem.endswith("lossless"):
        options = {"quality": 92} | options
    if path.stem.endswith("lossless"):
        options = {"lossless": True} | options
    if path.suffix == ".tif":
        options = {"compression": "tiff_lzw"} | options
    picture.save(path, **options)


def write_secrets(out: pathlib.Path, picture: Image.Image, profile: bytes) -> list[str]:
    """Files that carry what must not leave; the names of those that exiftool can add more to."""
    comment = "SECRET comment"
    exif = orientation_exif(6)
    exif[0x010F] = "SECRET maker"
    for name in ("metadata.webp", "metadata_lossless.webp"):
        save_as(picture, out / name, exif=exif.tobytes(), icc_profile=profile, xmp=b"<SECRET/>")
    info = {274: 6, 271: "SECRET maker", 315: "SECRET artist", 270: "SECRET description", 700: b"<SECRET/>"}
    save_as(picture, out / "metadata.tif", tiffinfo=info, icc_profile=profile)
    picture.quantize(256).save(out / "metadata.gif", comment=comment)
    bitmap = io.BytesIO()
    picture.save(bitmap, "bmp")
    bitmap = bitmap.getvalue()
    # A gap before the pixels, and bytes behind them.
    gap = b"SECRET gap ".ljust(64)
    (out / "metadata.bmp").write_bytes(bitmap[:10] + struct.pack("<I", 54 + len(gap)) + bitmap[14:54] + gap + bitmap[54:])
    return ["metadata.webp", "metadata_lossless.webp", "metadata.tif", "metadata.gif", "metadata.bmp"]
