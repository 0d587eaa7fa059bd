"""Names of pictures become pictures: files, folders, patterns, lists."""
from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Iterator

from ...errors import InputError
from ...paths import unreadable

# Endings of the formats that decode.py reads
ENDINGS = frozenset(".jpg .jpeg .jpe .jfif .png .apng .gif .bmp .dib .ppm .pgm .pbm .pnm .webp .tif .tiff .ico .jp2 "
                    ".j2k .avif .qoi .pcx .sgi .rgb .tga".split())
LIST = ".txt"
# Endings of videos, and names of cameras, of which none is a pattern (video.py)
VIDEOS = frozenset(".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg .m2v .ts .mts .m2ts .wmv .asf .flv .f4v .3gp .3g2 .ogv "
                   ".vob .mjpg .mjpeg .h264 .264 .h265 .hevc .y4m".split())
CAMERA = re.compile(r"camera:(\d{1,3})|/dev/video\d+|/dev/v4l/by-(?:id|path)/.+")
NETWORK = "rtsp://", "rtsps://"
MOST_LIST_BYTES = 64 << 20


class Listed(str):
    """The path of a picture, and `within`: its path below the folder that was named, else its file name."""
    within: str

    def __new__(cls, path: str, within: str | None = None):
        listed = super().__new__(cls, path)
        listed.within = os.path.basename(path) if within is None else within
        return listed


def is_live(name) -> bool:
    """Is it a camera, which has no end?"""
    return isinstance(name, str) and (CAMERA.fullmatch(name) is not None or name.lower().startswith(NETWORK))


def is_video(name) -> bool:
    """Does a name stand for a video or a camera? A file is told by its ending."""
    return is_live(name) or isinstance(name, (str, os.PathLike)) and \
        os.path.splitext(os.fsdecode(name))[1].lower() in VIDEOS and not os.path.isdir(name)


def pictures_of(names: Iterable[str], recursive: bool = False, left_out: list[str] | None = None) -> Iterator[Listed]:
    """The pictures that names stand for, in their order; those of a folder or pattern sorted.

    names : of files, "-" for standard input, folders (recursive: and all below them), patterns as *.jpg and **/*.png
        that the shell has left, videos and cameras (video.py), and lists: text files (.txt) with a name in each line,
        beside which relative names lie
    left_out : gets the names of videos that lie in folders: frames of hours are not read unless they are named

    Raises InputError where a name stands for none.
    """
    for name in names:
        if name == "-" or is_live(name) or os.path.isfile(name) and not name.lower().endswith(LIST):
            yield Listed(name)
        elif os.path.isdir(name):
            yield from of_folder(name, recursive, left_out)
        elif os.path.isfile(name):
            yield from of_list(name)
        elif any(c in name for c in "*?[") and not os.path.lexists(name):
            import glob
            found = sorted(path for path in glob.iglob(name, recursive=True) if os.path.isfile(path))
            if not found:
                raise InputError(f"{name}: no file is called so")
            yield from map(Listed, found)
        else:
            yield Listed(name)                          # whoever opens it says what is wrong


def of_folder(folder: str, recursive: bool, left_out: list[str] | None = None) -> Iterator[Listed]:
    def unlisted(error: OSError) -> None:
        if error.filename == folder:
            raise unreadable(folder, error, "a folder of pictures")
        warnings.warn(f"{unreadable(error.filename, error, 'a folder')}; it is left out", stacklevel=2)

    none, videos = True, [] if left_out is None else left_out
    before = len(videos)
    for path, folders, files in os.walk(folder, onerror=unlisted):
        folders[:] = sorted(each for each in folders if not each.startswith(".")) if recursive else []
        for file in sorted(files):
            ending = os.path.splitext(file)[1].lower()
            if file.startswith(".") or ending not in ENDINGS and ending not in VIDEOS:
                continue
            whole = os.path.join(path, file)
            if ending in VIDEOS:
                videos.append(whole)
                continue
            none = False
            yield Listed(whole, os.path.relpath(whole, folder))
    if none:
        found = videos[before:]
        if found:
            raise InputError(f"{folder}: the folder holds no picture, but {len(found)} video{'s' * (len(found) != 1)}, "
                             f"such as {found[0]}; name those that are to be read")
        raise InputError(f"{folder}: the folder holds no picture{'' if recursive else '; -r looks below it too'}")


def of_list(path: str) -> Iterator[Listed]:
    try:
        if os.path.getsize(path) > MOST_LIST_BYTES:
            raise InputError(f"{path}: a list of more than {MOST_LIST_BYTES >> 20} MB")
        with open(path, encoding="utf-8") as file:
            names = [line.strip() for line in file]
    except OSError as error:
        raise unreadable(path, error, "a list of pictures") from None
    except ValueError:
        raise InputError(f"{path}: a list of pictures is a text in UTF-8, a name in each line") from None
    names = [name for name in names if name and not name.startswith("#")]
    if not names:
        raise InputError(f"{path}: the list is empty; a name of a picture in each line is right")
    folder = os.path.dirname(path)
    for name in names:
        yield Listed(name if is_live(name) else os.path.join(folder, name))
