"""Pictures with records, written by Pillow and piexif: an independent source for the readers of PNG, JPEG, WebP and
EXIF.

    pip install pillow piexif
    python pictures.py      # writes ../fixtures/*.png, *.jpg, *.webp
"""

import json
import pathlib
import struct
import zlib

import piexif
import piexif.helper
from PIL import Image, PngImagePlugin

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures"
PICTURE = Image.new("RGB", (8, 8), (200, 30, 40))
TEXT = (
    "a red fox, 雪\nNegative prompt: blurry\n"
    "Steps: 25, Sampler: DPM++ 2M Karras, CFG scale: 6.5, Seed: 42, Size: 832x1216, Model: sdxl_base, Version: v1.6.0"
)
USER_COMMENT = 0x9286


def save(name, **options):
    PICTURE.save(FIXTURES / name, **options)


def little_endian(comment):
    """An EXIF block with this user comment. Pillow writes directories in little-endian order."""
    exif = Image.Exif()
    exif.get_ifd(0x8769)[USER_COMMENT] = comment
    return exif.tobytes()


def riff_exif(name, has_header):
    """The same WebP with or without `Exif\\0\\0` before the TIFF data of its chunk."""
    data = (FIXTURES / name).read_bytes()
    at = data.index(b"EXIF")
    (size,) = struct.unpack("<I", data[at + 4 : at + 8])
    exif = data[at + 8 : at + 8 + size].removeprefix(b"Exif\0\0")
    exif = (b"Exif\0\0" if has_header else b"") + exif
    chunk = b"EXIF" + struct.pack("<I", len(exif)) + exif + b"\0" * (len(exif) % 2)
    body = data[8:at] + chunk
    (FIXTURES / name).write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pngs():
    for name, zipped in [("itxt.png", False), ("itxt_zipped.png", True)]:
        info = PngImagePlugin.PngInfo()
        info.add_itxt("parameters", TEXT, lang="en", tkey="parameters", zip=zipped)
        save(name, pnginfo=info)
    for name, zipped in [("text.png", False), ("ztxt.png", True)]:
        info = PngImagePlugin.PngInfo()
        info.add_text("parameters", TEXT.replace("雪", "forêt"), zip=zipped)
        save(name, pnginfo=info)
    # UTF-8 where the specification requires Latin-1, as several programs write it.
    data = (FIXTURES / "text.png").read_bytes()
    at = data.index(b"tEXt") - 4
    text = chunk(b"tEXt", b"parameters\0" + TEXT.encode())
    (size,) = struct.unpack(">I", data[at : at + 4])
    (FIXTURES / "utf8_text.png").write_bytes(data[:at] + text + data[at + 12 + size :])
    save("exif.png", exif=little_endian(b"UNICODE\0" + TEXT.encode("utf-16-le")))


def jpegs():
    unicode = piexif.helper.UserComment.dump(TEXT, encoding="unicode")
    a1111 = piexif.dump({"Exif": {piexif.ExifIFD.UserComment: unicode}})
    save("a1111.jpg", exif=a1111, quality=20)
    save("little_endian.jpg", exif=little_endian(b"UNICODE\0" + TEXT.encode("utf-16-le")), quality=20)
    save("utf8_comment.jpg", exif=little_endian(b"UNICODE\0" + TEXT.encode()), quality=20)
    save("ascii.jpg", exif=little_endian(b"ASCII\0\0\0" + TEXT.replace("雪", "snow").encode()), quality=20)
    save("no_code.jpg", exif=little_endian(TEXT.encode()), quality=20)
    # UTF-16 without the code that says so.
    undefined = bytes(8)
    for name, code, encoding in [
        ("undefined_le.jpg", undefined, "utf-16-le"),
        ("undefined_be.jpg", undefined, "utf-16-be"),
        ("no_code_utf16.jpg", b"", "utf-16-be"),
        ("no_code_mark.jpg", b"", "utf-16"),
        ("wrong_code.jpg", b"ASCII\0\0\0", "utf-16-le"),
    ]:
        save(name, exif=little_endian(code + TEXT.encode(encoding)), quality=20)
    description = Image.Exif()
    description[0x010E] = TEXT.replace("雪", "snow")
    save("description.jpg", exif=description.tobytes(), quality=20)
    save("comment.jpg", comment=TEXT.encode(), quality=20)
    camera = Image.Exif()
    camera[0x010E] = "Camera: OM-1, Lens: 12-40 mm, ISO: 200"
    camera[0x0131] = "Adobe Photoshop"
    camera.get_ifd(0x8769)[USER_COMMENT] = b"ASCII\0\0\0Screenshot"
    save("camera.jpg", exif=camera.tobytes(), quality=20)
    # Fooocus writes both fields into the first directory.
    fooocus = Image.Exif()
    fooocus[USER_COMMENT] = (FIXTURES / "fooocus.json").read_text()
    fooocus[0x0131] = "Fooocus v2.5.5"
    fooocus[0x927C] = "fooocus"
    save("fooocus.jpg", exif=fooocus.tobytes(), quality=20)
    swarm = piexif.helper.UserComment.dump((FIXTURES / "swarmui.json").read_text(), encoding="unicode")
    save("swarmui.jpg", exif=piexif.dump({"Exif": {piexif.ExifIFD.UserComment: swarm}}), quality=20)
    return a1111


def webps(a1111):
    save("a1111.webp", exif=a1111, quality=20)
    riff_exif("a1111.webp", has_header=False)
    save("exif_header.webp", exif=a1111, quality=20)
    riff_exif("exif_header.webp", has_header=True)
    comfyui = Image.Exif()
    comfyui[0x010F] = "workflow:" + json.dumps({"nodes": [], "links": []})
    comfyui[0x0110] = "prompt:" + (FIXTURES / "comfyui.json").read_text()
    save("comfyui.webp", exif=comfyui.tobytes(), quality=20)
    texts = json.loads((FIXTURES / "novelai.json").read_text())
    texts = {name: texts[name] for name in ("Comment", "Description", "Software", "Source")}
    comment = piexif.helper.UserComment.dump(json.dumps(texts), encoding="ascii")
    save("novelai.webp", exif=piexif.dump({"Exif": {piexif.ExifIFD.UserComment: comment}}), quality=20)


if __name__ == "__main__":
    pngs()
    webps(jpegs())
