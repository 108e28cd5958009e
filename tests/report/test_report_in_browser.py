"""The page in a headless browser without a network: no errors, pictures drawn, tables filled, players play."""

import shutil

import pytest

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra: dev)")
pytestmark = pytest.mark.slow

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
PLAYED = """async audio => {
  audio.muted = true;
  await audio.play();
  await new Promise(done => audio.addEventListener('timeupdate', done, {once: true}));
  const result = {duration: audio.duration, error: audio.error};
  audio.pause();
  return result;
}"""

RANGE = "document.getElementById('zoom-chart')._fullLayout.xaxis.range"


@pytest.fixture(scope="module")
def browser():
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("no chromium on PATH; install Debian's package chromium to run the browser tests")
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, report):
    """Open the page; give it with the lists of its messages and of its requests."""
    contexts = []

    def opener(*, width=1280, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True, reduced_motion="reduce"
        )
        contexts.append(context)
        page, messages, requests = context.new_page(), [], []
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(report.page.as_uri(), wait_until="load")
        return page, messages, requests

    yield opener
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_opens_complete(open_page, report, width, scheme):
    page, messages, requests = open_page(width=width, scheme=scheme)
    assert messages == []
    assert [url for url in requests if not url.startswith("data:")] == [report.page.as_uri()]
    sizes = page.eval_on_selector_all("img", "all => all.map(i => [i.complete, i.naturalWidth, i.clientWidth])")
    assert len(sizes) == 18
    assert all(complete and natural > 100 and shown > 250 for complete, natural, shown in sizes)
    # only tables may scroll sideways
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_tables_are_filled(open_page):
    page, _, _ = open_page()
    cells = page.eval_on_selector_all("td", "all => all.map(cell => cell.textContent.trim())")
    assert len(cells) > 40
    assert all(cells)
    summary = page.locator("#summary table").inner_text()
    assert "160.70" in summary
    assert "yes" in summary


def test_a_picture_opens_enlarged_zooms_and_closes(open_page, report):
    page, messages, requests = open_page(width=390)
    assert page.evaluate("typeof Plotly") == "undefined"
    button = page.locator('button[data-zoom$="take1_delay.svg"]')
    button.click()
    page.wait_for_selector("#zoom-chart .scatterlayer path.js-line", state="attached", timeout=60_000)
    page.wait_for_function("document.getElementById('zoom-says').textContent === ''")
    whole = page.evaluate(RANGE)
    page.get_by_role("button", name="Zoom in").click()
    page.wait_for_function(f"({RANGE})[0] > {whole[0]}")
    low, high = page.evaluate(RANGE)
    assert high - low == pytest.approx(0.5 * (whole[1] - whole[0]), rel=1e-6)
    page.get_by_role("button", name="Whole").click()
    page.wait_for_function(f"({RANGE})[0] === {whole[0]}")
    page.keyboard.press("Escape")
    assert page.evaluate("document.getElementById('zoom').open") is False
    assert button.evaluate("button => button === document.activeElement")
    assert messages == []
    assert [url for url in requests if not url.startswith(("data:", "blob:"))] == [report.page.as_uri()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_barrier(browser, report, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    # the page's own policy forbids every script that it does not know, axe's too
    context = browser.new_context(color_scheme=scheme, offline=True, bypass_csp=True)
    page = context.new_page()
    page.goto(report.page.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    found = axe.Axe().run(page).response["violations"]
    context.close()
    assert [(barrier["id"], barrier["nodes"][0]["html"]) for barrier in found] == []


def test_dark_is_dark_and_light_is_light(open_page):
    for scheme, low, high in (("light", 200, 255), ("dark", 0, 60)):
        page, _, _ = open_page(scheme=scheme)
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert all(low <= int(part) <= high for part in colour.removeprefix("rgb(").removesuffix(")").split(","))


def test_players_play(open_page):
    page, messages, _ = open_page()
    players = page.locator("audio")
    assert players.count() == 7
    for index in range(players.count()):
        result = players.nth(index).evaluate(PLAYED)
        assert result["error"] is None
        assert 0.5 < result["duration"] <= 5.01
    assert messages == []


def test_the_keyboard_reaches_links_tables_and_details(open_page):
    page, _, _ = open_page()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the verdict"
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.tagName"))
    assert {"A", "DIV", "SUMMARY", "AUDIO"} <= reached
