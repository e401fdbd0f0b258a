"""What names a processor: several generations go by one name, and round otherwise."""

from zoo.experiments.running import environment

ROW = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: {}\nmodel name\t: AMD EPYC\nflags\t\t: a: b\n"


def named(monkeypatch, text):
    monkeypatch.setattr(environment.Path, "read_text", lambda path: text)
    return environment.processor()


def test_two_generations_of_one_name_are_two_processors(monkeypatch):
    one, other = (named(monkeypatch, f"{ROW.format(model)}\n{ROW.format(model)}") for model in (1, 17))
    assert one == "AMD EPYC, family 25, model 1" and other == "AMD EPYC, family 25, model 17"
    assert environment.differences({"processor": "AMD EPYC"}, {"processor": one})
    assert environment.differences({"processor": one}, {"processor": other})


def test_where_linux_says_no_number_the_name_is_enough(monkeypatch):
    assert named(monkeypatch, "processor\t: 0\nmodel name\t: Neoverse\n") == "Neoverse"


def test_where_linux_says_nothing_python_is_asked(monkeypatch):
    assert named(monkeypatch, "processor\t: 0\nBogoMIPS\t: 50\n") == (
        environment.platform.processor() or environment.platform.machine()
    )
