"""Writes into /dev/shm."""


class Model:
    def predict(self, inputs):
        number = 0
        while inputs["input.txt"] == b"bad":
            with open(f"/dev/shm/{number}", "wb") as file:
                file.write(b"x" * (4 << 20))
            number += 1
        return {"results.json": {"fine": True}}
