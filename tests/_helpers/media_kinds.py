"""The kinds of media files on which readers are tested: codec, container, GOP, start, rate, duration."""

from __future__ import annotations

from fractions import Fraction

from tests._helpers.media_matrix import Kind

_NTSC, _CINEMA = Fraction(30000, 1001), Fraction(24000, 1001)
_OPEN = {"x264-params": "open-gop=1:keyint=20"}
_REFRESH = {"x264-params": "intra-refresh=1:keyint=20"}
_PYRAMID = {"b-pyramid": "normal"}
_HEVC_OPEN = {"x265-params": "log-level=none:open-gop=1:keyint=20"}
_HEVC_CLOSED = {"x265-params": "log-level=none:open-gop=0:keyint=20"}
_JPEG = "yuvj420p"

H264 = [
    Kind("mp4"),
    Kind("mp4", bframes=2, duration=0.1),
    Kind("mp4", bframes=3, options=_PYRAMID, fps=_NTSC),
    Kind("mp4", bframes=2, options=_OPEN, gop=20),
    Kind("mp4", options=_REFRESH, gop=20),
    Kind("mp4", gop=250, bframes=2, duration=20.0, fps=Fraction(15)),
    Kind("mp4", fps=Fraction(60), duration=1.0, rate=44100),
    Kind("mp4", bframes=2, offset=5.0),
    Kind("mp4", late_video=0.4),
    Kind("mp4", late_audio=0.5),
    Kind("mp4", drop=3, bframes=2),
    Kind("mov", bframes=2, audio="pcm_s16le"),
    Kind("m4v", bframes=2, fps=Fraction(50)),
    Kind("3gp", gop=25),
    Kind("f4v", bframes=2),
    Kind("mkv", bframes=2, fps=_CINEMA),
    Kind("mkv", bframes=2, offset=100.0),
    Kind("mkv", bframes=2, options=_OPEN, gop=20, audio="ac3"),
    Kind("mkv", options=_REFRESH, gop=20, audio="libmp3lame"),
    Kind("mkv", late_audio=0.5),
    Kind("mkv", late_video=0.4),
    Kind("mkv", drop=4, bframes=2),
    Kind("avi", bframes=2, audio="pcm_s16le"),
    Kind("avi", bframes=3, options=_PYRAMID, audio="ac3", duration=4.0),
    Kind("avi", bframes=2, options=_OPEN, gop=20, audio="ac3", duration=4.0),
    Kind("avi", audio="libmp3lame"),
    Kind("ts", bframes=2),
    Kind("ts", bframes=2, offset=50.0, fps=Fraction(50)),
    Kind("ts", gop=1000, audio="ac3", duration=4.0),
    Kind("mts", bframes=2, options=_OPEN, gop=20, audio="ac3", format="mpegts"),
    Kind("mpg", bframes=2, audio="mp2"),
    Kind("flv", bframes=2),
    Kind("flv", gop=100, duration=4.0, rate=44100),
    Kind("h264", audio="", bframes=2),
]
MPEG = [
    Kind("mp4", "mpeg4", bframes=2),
    Kind("mp4", "mpeg2video", bframes=2),
    Kind("mp4", "mpeg1video", bframes=2),
    Kind("mov", "mpeg2video", "pcm_s16le", bframes=2, gop=25),
    Kind("mkv", "mpeg2video", "ac3", bframes=2),
    Kind("mkv", "mpeg1video", "mp2", bframes=2),
    Kind("mkv", "mpeg4", "libmp3lame", bframes=2, gop=30),
    Kind("avi", "mpeg4", "libmp3lame"),
    Kind("avi", "mpeg4", "mp2", bframes=2),
    Kind("avi", "mpeg2video", "mp2", bframes=2),
    Kind("avi", "mpeg1video", "pcm_s16le", bframes=2, duration=4.0),
    Kind("ts", "mpeg2video", "mp2", bframes=2),
    Kind("ts", "mpeg4", "mp2", gop=30),
    Kind("mpg", "mpeg1video", "mp2", bframes=2),
    Kind("mpg", "mpeg2video", "mp2", bframes=2, duration=6.0),
    Kind("vob", "mpeg2video", "ac3", bframes=2, gop=15),
    Kind("mxf", "mpeg2video", "pcm_s16le", bframes=2),
    Kind("asf", "mpeg4", "libmp3lame", bframes=2),
]
OTHERS = [
    Kind("mp4", "libx265", bframes=2, options=_HEVC_OPEN),
    Kind("mp4", "libx265", options=_HEVC_CLOSED),
    Kind("mkv", "libx265", bframes=2, options=_HEVC_OPEN),
    Kind("ts", "libx265", bframes=2, options=_HEVC_OPEN),
    Kind("mp4", "libsvtav1"),
    Kind("mp4", "libvpx-vp9", "libopus", gop=40),
    Kind("webm", "libvpx", "libopus"),
    Kind("webm", "libvpx-vp9", "libopus", gop=40, fps=_NTSC),
    Kind("webm", "libvpx", "vorbis"),
    Kind("ogv", "libtheora", "vorbis"),
    Kind("wmv", "wmv2", "wmav2", rate=44100),
    Kind("wmv", "wmv1", "libmp3lame", gop=60, duration=4.0),
    Kind("wmv", "msmpeg4", "libmp3lame"),
    Kind("wmv", "wmv2", "wmav1", rate=44100, gop=25),
    Kind("flv", "flv", "libmp3lame", rate=44100),
    Kind("flv", "flv", "libmp3lame", rate=44100, gop=50, duration=4.0),
    Kind("avi", "msmpeg4", "libmp3lame"),
    Kind("avi", "msmpeg4v2", "pcm_s16le", gop=50),
    Kind("avi", "mjpeg", "pcm_s16le", pixels=_JPEG),
    Kind("avi", "ffv1", "pcm_s16le"),
    Kind("avi", "huffyuv", "pcm_s16le", pixels="yuv422p"),
    Kind("mov", "mjpeg", "alac", pixels=_JPEG),
    Kind("mov", "prores_ks", "pcm_s16le", pixels="yuv422p10le"),
    Kind("mkv", "ffv1", "flac"),
    Kind("mkv", "mjpeg", "pcm_s16le", pixels=_JPEG, fps=Fraction(12)),
    Kind("3gp", "h263p", "aac"),
    Kind("gif", "gif", "", pixels="rgb8", fps=Fraction(10)),
    Kind("nut", bframes=2),
]
AUDIO = [
    Kind("mp3", "", "libmp3lame", duration=8.0),
    Kind("aac", "", "aac", duration=4.0),
    Kind("wav", "", "pcm_s16le"),
    Kind("flac", "", "flac"),
    Kind("opus", "", "libopus"),
    Kind("m4a", "", "aac", duration=4.0),
    Kind("wma", "", "wmav2", rate=44100),
    Kind("mp2", "", "mp2"),
    Kind("ac3", "", "ac3"),
    Kind("mka", "", "aac"),
]
KINDS = [*H264, *MPEG, *OTHERS, *AUDIO]
