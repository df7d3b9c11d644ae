"""`mlserver infer`, the command, with its options: it sends JSON in an octet-stream and wants binary tensors back."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from said import check, same, server

SERVER = server()


def requests(count):
    for number in range(count):
        inputs = [
            {"name": f"INPUT{which}", "shape": [1, 16], "datatype": "INT32", "data": [number + which] * 16}
            for which in (0, 1)
        ]
        yield json.dumps({"inputs": inputs})


def ran(folder, *options):
    asked, answered = folder / "in.jsonl", folder / "out.jsonl"
    asked.write_text("\n".join(requests(7)) + "\n")
    command = [
        *(Path(sys.executable).parent / "mlserver", "infer", "-u", SERVER.http, "-m", "simple", "-i", asked),
        *("-o", answered, "-w", "3", "-H", f"authorization: {SERVER.headers['authorization']}", *options),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-1500:]
    return [json.loads(line) for line in answered.read_text().splitlines()]


with tempfile.TemporaryDirectory() as place:
    for options in ((), ("-s", "3"), ("-b",), ("-b", "-s", "3")):
        with check(f"mlserver infer {' '.join(options)}".strip()):
            answers = ran(Path(place), *options)
            same(list(range(7)), sorted(one["parameters"]["batch_index"] for one in answers))
            for one in answers:
                number = one["parameters"]["batch_index"]
                found = {output["name"]: output["data"] for output in one["outputs"]}
                same([[2 * number + 1] * 16, [-1] * 16], [found["OUTPUT0"], found["OUTPUT1"]])
