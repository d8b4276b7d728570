"""Deterministic tables: the same rows on every machine, without a random number generator that may change."""

import pathlib

HEADER = "id,일자,도로명,방향,통행량,평균속도,측정시각,휴일,우편번호,비고"
ROADS = ["강남대로", "올림픽대로", "테헤란로", "한강대로", "동부간선도로", "세종대로", "남부순환로", "강변북로"]
NOTES = ["", "공사 구간, 서행", "정상", "", '비 "약간" 옴', "snow; icy", "", "사고 처리 중"]
DIRECTIONS = ["상행", "하행"]
PIECE = 100_000

# The same columns for those who want to be told them.
POSTGRES_COLUMNS = """id BIGINT, "일자" DATE, "도로명" TEXT, "방향" TEXT, "통행량" BIGINT, "평균속도" DOUBLE PRECISION,
    "측정시각" TIMESTAMPTZ, "휴일" BOOLEAN, "우편번호" TEXT, "비고" TEXT"""


def row(n):
    mixed = (n * 2654435761) & 0xFFFFFFFF
    note = NOTES[mixed >> 7 & 7]
    if '"' in note or "," in note:
        note = '"' + note.replace('"', '""') + '"'
    speed = "" if mixed % 17 == 0 else f"{mixed % 12000 / 100:.2f}"
    return (
        f"{n},2026-{mixed % 12 + 1:02}-{mixed % 28 + 1:02},{ROADS[mixed >> 3 & 7]} {mixed % 5000},{DIRECTIONS[mixed & 1]},{mixed % 100000},"
        f"{speed},2026-03-{mixed % 28 + 1:02}T{mixed % 24:02}:{mixed % 60:02}:{mixed % 59:02}Z,{'true' if mixed & 4 else 'false'},"
        f"0{mixed % 10000:04},{note}"
    )


def csv(path, rows):
    """Made once; about 100 bytes a row."""
    return written(path, lambda file: write_rows(file, HEADER, row, rows))


def narrow(path, rows, first=0):
    """Three columns, for tables that are long."""
    line = lambda n: f"{n},{(n * 2654435761) & 0xFFFF},이름 {n % 1000}"
    return written(path, lambda file: write_rows(file, "id,value,name", line, rows, first))


def large(path, size):
    """The rows of one block again and again until the file has this size."""

    def write(file):
        block = ("\n".join(map(row, range(200_000))) + "\n").encode()
        file.write(HEADER.encode() + b"\n")
        while file.tell() < size:
            file.write(block)

    return written(path, write)


def write_rows(file, header, line, rows, first=0):
    file.write(header.encode() + b"\n")
    for start in range(first, first + rows, PIECE):
        file.write(("\n".join(map(line, range(start, min(start + PIECE, first + rows)))) + "\n").encode())


def written(path, write):
    path = pathlib.Path(path)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        with open(unfinished, "wb") as file:
            write(file)
        unfinished.rename(path)
    return path
