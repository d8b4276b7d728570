"""Runs a step's script: reads the inputs, calls run(<inputs>, options), writes what it returns.

Rows come and go as CSV with the column types beside them. With pandas installed, inputs are data frames; else they are lists of
dictionaries. What is returned may be a data frame (pandas, polars), a list of dictionaries or a dictionary of lists.
"""
import csv
import datetime
import importlib.util
import inspect
import json
import os
import sys
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
csv.field_size_limit(2**31 - 1)
INTEGERS, FLOATS = {"int32", "int64"}, {"float", "double"}


def path(name):
    return os.path.join(HERE, name)


def value(text, kind):
    if text == "":
        return None
    if kind in INTEGERS:
        return int(text)
    if kind in FLOATS:
        return float(text)
    if kind == "bool":
        return text == "true"
    if kind == "date32":
        return datetime.date.fromisoformat(text)
    if kind in ("timestamp", "timestamp_ntz"):
        return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return text


def read(entry):
    kinds = [column["type"] for column in entry["columns"]]
    names = [column["name"] for column in entry["columns"]]
    with open(path(entry["file"]), newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        next(rows, None)
        table = [dict(zip(names, map(value, row, kinds))) for row in rows if row]
    if importlib.util.find_spec("pandas"):
        import pandas

        return pandas.DataFrame(table, columns=names)
    return table


def records(name, made):
    if hasattr(made, "to_dicts"):  # polars
        return list(made.columns), made.to_dicts()
    if hasattr(made, "to_dict") and hasattr(made, "columns"):  # pandas
        made = made.astype(object).where(made.notna(), None)
        return [str(column) for column in made.columns], [
            dict(zip(map(str, made.columns), row)) for row in made.itertuples(index=False, name=None)
        ]
    if isinstance(made, dict):
        names = [str(column) for column in made]
        return names, [dict(zip(names, row)) for row in zip(*made.values())]
    if isinstance(made, (list, tuple)) and all(isinstance(row, dict) for row in made):
        names = []
        for row in made:
            names.extend(str(column) for column in row if str(column) not in names)
        return names, [{str(column): cell for column, cell in row.items()} for row in made]
    raise TypeError(f"output '{name}' is {type(made).__name__}; return a data frame, a list of dictionaries or a dictionary of lists")


def plain(cell):
    return cell.item() if hasattr(cell, "item") and type(cell).__module__ == "numpy" else cell


def kind_of(cells):
    kinds = set()
    for cell in cells:
        if cell is None:
            continue
        if isinstance(cell, bool):
            kinds.add("bool")
        elif isinstance(cell, int):
            kinds.add("int64" if -(2**63) <= cell < 2**63 else "string")
        elif isinstance(cell, float):
            kinds.add("double")
        elif isinstance(cell, datetime.datetime):
            kinds.add("timestamp" if cell.tzinfo else "timestamp_ntz")
        elif isinstance(cell, datetime.date):
            kinds.add("date32")
        else:
            kinds.add("string")
    if kinds == {"int64", "double"}:
        return "double"
    return kinds.pop() if len(kinds) == 1 else "string"


def text(cell, kind):
    if cell is None or (isinstance(cell, float) and cell != cell):
        return ""
    if kind == "bool":
        return "true" if cell else "false"
    if kind == "double":
        return repr(float(cell))
    if isinstance(cell, (datetime.date, datetime.datetime)):
        return cell.isoformat()
    if isinstance(cell, (dict, list)):
        return json.dumps(cell, ensure_ascii=False)
    return str(cell)


def write(number, name, made):
    names, rows = records(name, made)
    if not names:
        raise ValueError(f"output '{name}' has no column")
    cells = [[plain(row.get(column)) for column in names] for row in rows]
    kinds = [kind_of([row[at] for row in cells]) for at in range(len(names))]
    with open(path(f"out-{number}.csv"), "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(names)
        for row in cells:
            line = [text(cell, kind) for cell, kind in zip(row, kinds)]
            if line == [""]:  # one empty cell is no empty line
                file.write('""\r\n')
            else:
                out.writerow(line)
    return [{"name": column, "type": kind} for column, kind in zip(names, kinds)]


def main():
    with open(path("call.json"), encoding="utf-8") as file:
        call = json.load(file)
    with open(path("script.py"), encoding="utf-8") as file:
        source = file.read()
    scope = {"__name__": "script"}
    exec(compile(source, "script.py", "exec"), scope)
    run = scope.get("run")
    if not callable(run):
        raise NameError("the script defines no function 'run'")
    arguments = {name: read(entry) for name, entry in call["inputs"].items()}
    options = dict(call["options"])
    options["parameters"] = call["parameters"]
    takes = inspect.signature(run).parameters
    if "options" in takes or any(p.kind is p.VAR_KEYWORD for p in takes.values()):
        arguments["options"] = options
    returned = run(**arguments)
    names = sorted(set(call["outputs"]))
    if not isinstance(returned, dict) or not set(names) <= set(returned):
        if len(names) != 1:
            raise TypeError("run must return a dictionary: output name -> rows; the outputs are " + ", ".join(names))
        returned = returned if isinstance(returned, dict) and names[0] in returned else {names[0]: returned}
    return {name: write(number, name, returned[name]) for number, name in enumerate(names)}


def answer(message):
    with open(path("answer.json"), "w", encoding="utf-8") as file:
        json.dump(message, file, ensure_ascii=False)


try:
    answer({"outputs": main()})
except BaseException as error:
    # The caller's own frames: from the script on.
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == "script.py"]
    stack = "".join(["Traceback (most recent call last):\n"] + traceback.format_list(own) + traceback.format_exception_only(error))
    answer({"error": traceback.format_exception_only(error)[-1].strip(), "stack": stack})
    sys.exit(1)
