"""OpenAI's own client, unmodified, with a model that says the words of its text."""

from openai import BadRequestError, InternalServerError, NotFoundError, OpenAI
from said import check, refused, same, server

SERVER = server()
CLIENT = OpenAI(base_url=f"http://{SERVER.http}/v1", api_key=SERVER.key, max_retries=0)
MESSAGES = [{"role": "user", "content": "one two three"}]

with check("models.list"):
    same(["words"], [model.id for model in CLIENT.models.list()])
with check("models.retrieve"):
    same("words", CLIENT.models.retrieve("words").id)

with check("completions.create"):
    found = CLIENT.completions.create(model="words", prompt="one two", max_tokens=16, temperature=0.5)
    same(("onetwo", "stop"), (found.choices[0].text, found.choices[0].finish_reason))
with check("completions.create: pieces"):
    pieces = list(CLIENT.completions.create(model="words", prompt="one two", stream=True))
    same(["one", "two", ""], [piece.choices[0].text for piece in pieces])

with check("chat.completions.create"):
    message = CLIENT.chat.completions.create(model="words", messages=MESSAGES).choices[0].message
    same(("assistant", "onetwothree"), (message.role, message.content))
with check("chat.completions.create: pieces come while others are made"):
    endless = CLIENT.chat.completions.create(
        model="words", messages=[{"role": "user", "content": "now and for ever"}], stream=True
    )
    same(["now", "and", "for", "ever", "now"], [next(endless).choices[0].delta.content for _ in range(5)])
    endless.close()
with check("chat.completions.stream: the client puts them together"):
    with CLIENT.chat.completions.stream(model="words", messages=MESSAGES) as stream:
        message = stream.get_final_completion().choices[0].message
    same(("assistant", "onetwothree"), (message.role, message.content))

with check("an unknown model"), refused(NotFoundError, "nobody"):
    CLIENT.completions.create(model="nobody", prompt="one")
with check("a model that takes no texts"), refused(NotFoundError, "takes no texts"):
    CLIENT.completions.create(model="simple", prompt="one")
with check("tokens"), refused(BadRequestError, "numbers of tokens"):
    CLIENT.completions.create(model="words", prompt=[1, 2])
with check("a model that fails"), refused(InternalServerError, "not spoken"):
    CLIENT.completions.create(model="words", prompt="fail")
