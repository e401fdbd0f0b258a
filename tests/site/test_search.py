"""The reader's own words find the page that answers them."""

import pytest

from zoo.site import notebooks

# Every question page has a notebook.
NOTEBOOKS = tuple(f"questions/{page.stem}" for page in notebooks.question_pages())
# The questions people ask (the sources are on the pages), and pages that answer them.
QUESTIONS = {
    "what is the activation in a conv layer for": ("questions/why", "learn/what-a-convolution-is"),
    "is the activation applied per pixel": ("learn/what-a-convolution-is",),
    "is one weight shared": ("learn/what-a-convolution-is",),
    "activation argument or layer": ("questions/form",),
    "is convolution linear": ("learn/what-a-convolution-is", "learn/the-algebra", "questions/why"),
    "why any non-linearity": ("questions/why", "learn/the-algebra"),
    "forgotten activation": ("questions/forgotten",),
    "linear activation": ("questions/forgotten", "learn/the-algebra"),
    "batch normalization before or after activation": ("questions/norm_order",),
    "activation before or after pooling": ("questions/pooling",),
    "filters channels parameter count": ("learn/what-a-convolution-is",),
    "relu after the addition": ("questions/ordering",),
    "which pre-activation resnet": ("questions/layout",),
    "how can 1000 layers train": ("questions/thousand",),
    "softmax or from_logits": ("questions/head",),
    "which branches merge": ("questions/merge", "use/families"),
    "structural re-parameterization": ("questions/merge", "questions/index"),
    "linear bottleneck": ("questions/narrow", "questions/index"),
    "different activation functions in different layers": ("questions/mixed",),
    "densenet bn relu conv": ("questions/concatenation", "questions/index"),
    "resnet without batch normalization": ("questions/norm_free",),
    "activation between depthwise and pointwise": ("questions/between",),
    "how many activations per block": ("questions/per_block", "questions/index"),
    "dead relu": ("questions/dead",),
    "value before the activation": ("use/read-before-activation",),
    "is an activation needed on layers other than the last": ("questions/why",),
    "how many runs to report": ("learn/how-many-runs",),
    "batch norm before or after relu": ("questions/norm_order", "questions/index"),
    "leaky relu": ("questions/which", "questions/dead", "questions/index"),
    "gelu": ("questions/which", "questions/index"),
    "he initialization": ("questions/signal", "learn/glossary", "questions/index", "questions/short-answers"),
    "receptive field": ("learn/glossary",),
    "pre-activation value": ("use/read-before-activation", "questions/index"),
    "bias before batch norm": ("questions/short-answers",),
    "dropout and batch norm": ("questions/short-answers",),
    "u-net up-convolution": ("questions/short-answers",),
    "colab": NOTEBOOKS,
    "jupyter": NOTEBOOKS,
}


def ask(box, words):
    """Fill the search box; the page listens to keys, not to the content."""
    box.fill(words)
    box.press("End")


@pytest.fixture(scope="module")
def found(browser, address):
    """Question -> the first three pages that the search box offers."""
    page = browser.new_context().new_page()
    page.goto(address)
    box = page.locator("input.md-search__input")
    answers = {}
    box.click()
    for question in QUESTIONS:
        ask(box, "")
        page.wait_for_function("document.querySelectorAll('.md-search-result__item').length === 0")
        ask(box, question)
        page.wait_for_selector(".md-search-result__item")
        links = page.locator(".md-search-result__item > a.md-search-result__link").evaluate_all(
            "links => links.slice(0, 3).map(link => new URL(link.href).pathname)"
        )
        answers[question] = [link.lstrip("/").removesuffix(".html") for link in links]
    page.context.close()
    return answers


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_first_three_hits_answer(found, question):
    assert set(found[question]) & set(QUESTIONS[question]), found[question]
