"""models, engines, keys: tables for people, JSON for programs."""


def test_the_list_names_models_and_versions(headrace, echo):
    out = headrace("models", "list").out

    assert all(text in out for text in (echo, "Echo", "1.0.0", "ann@example.com", "Language and Text"))


def test_the_list_as_json_is_the_servers_own(headrace, echo):
    [model] = headrace("models", "list", "--json").json()

    assert {"modelId": echo, "name": "Echo", "latestActiveVersion": "1.0.0"}.items() <= model.items()


def test_an_empty_library_says_what_to_do(headrace):
    ended = headrace("models", "list")

    assert 0 == ended.code
    assert "headrace deploy FOLDER" in ended.err


def test_show_tells_inputs_and_outputs(headrace, echo):
    out = headrace("models", "show", echo).out

    assert all(text in out for text in ("input.txt", "text/plain", "1.0 MB", "results.json", "load 20.0 s", "Long."))


def test_show_names_the_version_that_is_missing(headrace, echo):
    assert 3 == headrace("models", "show", echo, "9.9.9").code


def test_deactivate_and_activate(headrace, echo, server):
    assert "is inactive" in headrace("models", "deactivate", echo, "1.0.0").out
    assert "inactive" == server.versions[echo, "1.0.0"]["status"]
    assert "is active" in headrace("models", "activate", echo, "1.0.0").out


def test_scale(headrace, echo):
    assert "1 to 4 engines" in headrace("models", "scale", echo, "1.0.0", "--minimum", "1", "--maximum", "4").out


def test_two_models_of_one_name_have_to_be_told_apart(headrace, echo, server):
    server.models["model99999"] = {**server.models[echo], "modelId": "model99999"}
    ended = headrace("models", "show", "Echo")

    assert 2 == ended.code
    assert "model99999" in ended.err


def test_engines(headrace):
    assert "model00001" in headrace("engines").out
    assert 1 == headrace("engines", "--json").json()[0]["ready"]


def test_keys_of_the_own_user(headrace):
    assert "JbFkWZMx4Ea3epIrxSgA" in headrace("keys", "list").out
    assert "ann@example.com" in headrace("keys", "show").out


def test_a_key_for_a_user_who_is_there(headrace, server):
    ended = headrace("keys", "create", "ann@example.com", "--role", "Auditor", "--name", "reports")

    assert "second.secondbody\n" == ended.out
    body = {"user": "ann@example.com", "roles": ["Auditor"], "name": "reports"}
    assert ("POST", "/api/accounting/access-keys", body) in server.requests


def test_a_key_for_a_new_user(headrace, server):
    ended = headrace("keys", "create", "bob@example.com")

    assert "first.freshbody\n" == ended.out
    body = {"email": "bob@example.com", "roles": ["Developer"]}
    assert ("POST", "/api/accounting/accounts/acme/users", body) in server.requests


def test_a_key_is_renewed_and_switched_off(headrace):
    assert "abc.freshbody" == headrace("keys", "renew", "abc", "--json").json()["key"]
    assert "is Inactive" in headrace("keys", "disable", "abc").out
    assert "is Active" in headrace("keys", "enable", "abc").out
