"""The page `/ui` in a real browser: what people see and change, and what it must not do."""

import hashlib
import json
import time
import urllib.error
import urllib.request

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

MINUTE = 60_000
SERIES = "#series?source=checkout&metric=rps&label=region%3Deu"


def history(source="checkout", metric="rps", spike=True, n=400):
    """Samples of `n` minutes up to now around 100; the newest three are 500 if there is a spike."""
    now = int(time.time() * 1000) // MINUTE * MINUTE
    value = lambda i: 500 if spike and i >= n - 3 else 100 + i * 7 % 11
    name = {"source": source, "metric": metric, "labels": {"region": "eu"}}
    return [{**name, "timestamp": now - (n - 1 - i) * MINUTE, "value": value(i)} for i in range(n)]


def status(address):
    try:
        with urllib.request.urlopen(address) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_a_first_sample_appears_by_itself(deploy, browse):
    deployment, browser = deploy(), browse()
    browser.open(f"{deployment.url}/ui")
    browser.until_text("No series yet", f"curl '{deployment.url}/ingest?verdicts=all'")
    deployment.send({"source": "checkout", "metric": "rps", "value": 812.5})
    browser.until_text("checkout / rps")
    assert "No series yet" not in browser.text()


def test_the_overview_lists_anomalous_series_first_and_leads_to_one(deploy, browse):
    deployment, browser = deploy(), browse()
    deployment.send(history("search", spike=False))
    deployment.send(history())
    browser.open(f"{deployment.url}/ui")
    browser.until_text("Most and newest anomalies", "checkout / rps", "search / rps")
    worst = browser.driver.find_elements(By.CSS_SELECTOR, "section:nth-of-type(1) tbody tr")
    assert len(worst) == 1 and "anomaly" in worst[0].text and "open" in worst[0].text
    worst[0].click()
    browser.until_text("Newest sample", "was expected", "Episodes", "Configuration of this series")
    assert browser.run("return location.hash") == SERIES


def test_a_link_shows_a_series_with_its_chart_and_a_chosen_sample(deploy, browse):
    deployment, browser = deploy(), browse()
    deployment.send(history())
    browser.open(f"{deployment.url}/ui{SERIES}")
    browser.until("the chart names its anomalies", lambda: browser.run(
        "return document.querySelector('[role=img]')?.getAttribute('aria-label')") == "128 samples, 3 of them anomalies")
    browser.driver.find_element(By.TAG_NAME, "body").send_keys(Keys.ARROW_LEFT * 5)
    browser.until_text("Chosen sample")
    # Five steps before the newest sample is the time before the spike.
    browser.until_text("is within the band", "was expected, and")
    bands = browser.run("return document.querySelector('[role=img]').dataset.bands")
    assert bands == "128", "what was expected then is drawn for every sample"
    # New samples arrive while the page is open.
    newest = history()[-1]["timestamp"] + MINUTE // 2
    deployment.send({"source": "checkout", "metric": "rps", "labels": {"region": "eu"}, "timestamp": newest, "value": 497.25})
    browser.until_text("497.2")


def test_alerts_are_listed_with_their_receivers_and_lead_to_their_series(deploy, browse):
    receivers = [{"name": "log", "log": True}]
    deployment, browser = deploy(TIDEMARK_ALERTS=json.dumps({"receivers": receivers})), browse(width=400)
    browser.open(f"{deployment.url}/ui")
    deployment.send(history("search", spike=False))
    browser.until_text("No alert fires", "search / rps")
    deployment.send(history())
    browser.until_text("Alerts\n", "firing")
    [alert] = browser.driver.find_elements(By.CSS_SELECTOR, "section:nth-of-type(1) tbody tr")
    assert alert.text.startswith("firing checkout / rps region=eu 500"), alert.text
    assert browser.run("return document.documentElement.scrollWidth") <= 400
    alert.click()
    browser.until_text("Newest sample", "was expected, and")
    assert browser.run("return location.hash") == SERIES and browser.messages() == []


def test_of_a_counter_the_rate_is_shown(deploy, browse):
    deployment, browser = deploy(), browse()
    now = int(time.time()) // 60 * 60
    total = lambda i: 1_000_000 + 7_200 * i + (50_000 if i == 59 else 0)
    name = {"source": "checkout", "metric": "requests_total", "kind": "counter"}
    deployment.send([{**name, "timestamp": now - 60 * (59 - i), "value": total(i)} for i in range(60)])
    browser.open(f"{deployment.url}/ui#series?source=checkout&metric=requests_total")
    # 57,200 in a minute.
    browser.until_text("rate a second\n953.33", "a rate of 953.3 is above the band")


def test_a_search_finds_series_and_can_be_linked_to(deploy, browse):
    deployment, browser = deploy(), browse()
    for source in ("checkout", "search"):
        deployment.send(history(source, n=3))
    browser.open(f"{deployment.url}/ui")
    browser.until_text("checkout / rps")
    browser.driver.find_element(By.TAG_NAME, "body").send_keys("/")
    browser.driver.switch_to.active_element.send_keys("SEAR")
    browser.until_text("Series with “SEAR”", "search / rps")
    assert "checkout / rps" not in browser.text()
    browser.open(browser.driver.current_url)
    browser.until_text("Series with “SEAR”")
    assert "checkout / rps" not in browser.text()


def test_a_configuration_is_stored_or_its_fault_is_named(deploy, browse):
    deployment, browser = deploy(), browse()
    deployment.send(history())
    browser.open(f"{deployment.url}/ui{SERIES}")
    browser.until_text("Configuration of this series")
    field = browser.driver.find_element(By.ID, "detector")
    field.send_keys("trafic", Keys.ENTER)
    browser.until_text("field `detector` is invalid", "`trafic`")
    field.clear()
    field.send_keys("traffic:false_alarms_per_day=0.5")
    browser.driver.find_element(By.XPATH, "//button[text()='Add a window']").click()
    browser.driver.find_element(By.XPATH, "//button[text()='Save']").click()
    browser.until_text("Stored.", "traffic:false_alarms_per_day=0.5 (own)")
    browser.open(browser.driver.current_url)
    browser.until("the window is shown again", lambda: browser.driver.find_elements(By.CSS_SELECTOR, ".window"))


def near(source="checkout"):
    """A history whose newest sample is an anomaly of `zscore`, just above the threshold."""
    samples = history(source, spike=False)
    samples[-1]["value"] = 117
    return samples


def button(browser, text):
    return browser.driver.find_element(By.XPATH, f"//button[text()='{text}']")


def test_a_false_alarm_is_answered_and_its_effect_is_seen(deploy, browse):
    deployment, browser = deploy(TIDEMARK_DETECTOR="zscore"), browse()
    samples = near()
    deployment.send(samples)
    browser.open(f"{deployment.url}/ui{SERIES}")
    browser.until_text("Why, for the newest sample", "The signal deviation raised the alarm", "No alarm would have been raised with")
    assert not button(browser, "Missed here").is_displayed() and not button(browser, "Undo the answer").is_displayed()
    button(browser, "False alarm").click()
    browser.until_text("Stored as a false alarm.", "This was answered to be a false alarm; feedback moved thresholds: deviation to 1.414 times.")
    # A sample like it is normal now.
    name = {key: samples[-1][key] for key in ("source", "metric", "labels")}
    deployment.send({**name, "timestamp": samples[-1]["timestamp"] + 1000, "value": 117})
    browser.until_text("within that range", "The signal nearest to an alarm is deviation")
    assert button(browser, "Missed here").is_displayed() and not button(browser, "False alarm").is_displayed()


def test_answers_are_given_and_taken_back_by_keys(deploy, browse):
    deployment, browser = deploy(TIDEMARK_DETECTOR="zscore"), browse(width=400)
    deployment.send(near())
    browser.open(f"{deployment.url}/ui{SERIES}")
    browser.until_text("raised the alarm")
    body = browser.driver.find_element(By.TAG_NAME, "body")
    body.send_keys("r")
    browser.until_text("Stored as right.", "This was answered to be right.")
    body.send_keys("u")
    browser.until_text("The answer is removed.")
    browser.until("the answer is not named", lambda: "This was answered" not in browser.text())
    body.send_keys(Keys.ARROW_LEFT * 3)
    browser.until_text("the value is within that range", "Was that so?")
    body.send_keys("m")
    browser.until_text("Stored as missed.", "This was answered to be a missed anomaly")
    assert browser.run("return document.documentElement.scrollWidth") <= 400
    assert browser.messages() == []


def test_without_the_right_an_answer_is_refused_with_the_name_of_the_right(deploy, browse):
    keys = {"reader": "read", "writer": "write"}
    entry = lambda key: f"mine:{keys[key]}:{hashlib.sha256(key.encode()).hexdigest()}"
    deployment = deploy(TIDEMARK_API_KEYS=",".join(map(entry, keys)), TIDEMARK_UI="on", TIDEMARK_DETECTOR="zscore")
    deployment.send(near(), key="writer")
    browser = browse()
    browser.open(f"{deployment.url}/ui{SERIES}")
    field = browser.until("a key is asked for", lambda: browser.driver.find_element(By.ID, "key-input"))
    browser.until("the dialog is open", field.is_displayed)
    field.send_keys("reader", Keys.ENTER)
    browser.until_text("raised the alarm")
    button(browser, "False alarm").click()
    browser.until_text("the API key lacks the right `feedback`")


@pytest.mark.parametrize("width, dark", [(1280, False), (1280, True), (400, False), (400, True)])
def test_it_fits_its_screen_and_scheme_and_asks_no_other_host(deploy, browse, width, dark):
    deployment, browser = deploy(), browse(width=width, dark=dark)
    deployment.send(history())
    for fragment, text in (("", "checkout / rps"), (SERIES, "Newest sample")):
        browser.open(f"{deployment.url}/ui{fragment}")
        browser.until_text(text)
        assert browser.run("return document.documentElement.scrollWidth") <= width
        light = browser.run("return getComputedStyle(document.body).backgroundColor") == "rgb(246, 247, 248)"
        assert light is not dark
    assert browser.messages() == []
    addresses = browser.addresses()
    assert addresses and all(address.startswith(deployment.url) for address in addresses), addresses


def test_names_are_text_and_never_markup(deploy, browse):
    deployment, browser = deploy(), browse()
    sample = {"source": "a", "metric": "m", "labels": {"x": "<img/src=y>"}, "value": 1}
    deployment.send(sample)
    browser.open(f"{deployment.url}/ui")
    browser.until_text("x=<img/src=y>")
    assert browser.driver.find_elements(By.TAG_NAME, "img") == []


def test_a_label_may_have_any_name(deploy, browse):
    deployment, browser = deploy(), browse()
    deployment.send([{**sample, "labels": {"a=b 50%": "eu"}} for sample in history()])
    browser.open(f"{deployment.url}/ui")
    browser.until_text("checkout / rps")
    browser.run("[...document.querySelectorAll('tbody tr')][0].click()")
    browser.until_text("Newest sample", "was expected", "a=b 50%=eu")


def test_without_a_key_with_the_right_nothing_is_shown(deploy, browse):
    keys = {"reader": "read", "writer": "write"}
    entry = lambda key: f"mine:{keys[key]}:{hashlib.sha256(key.encode()).hexdigest()}"
    deployment = deploy(TIDEMARK_API_KEYS=",".join(map(entry, keys)), TIDEMARK_UI="on")
    deployment.send(history(), key="writer")
    browser = browse()
    browser.open(f"{deployment.url}/ui")
    field = browser.until("a key is asked for", lambda: browser.driver.find_element(By.ID, "key-input"))
    browser.until("the dialog is open", field.is_displayed)
    assert "checkout" not in browser.text()
    field.send_keys("wrong", Keys.ENTER)
    browser.until_text("The key was refused.")
    field.send_keys("writer", Keys.ENTER)
    browser.until_text("Not found or not possible")
    assert "checkout" not in browser.text()
    browser.run("sessionStorage.clear(); location.reload()")
    field = browser.until("a key is asked for", lambda: browser.driver.find_element(By.ID, "key-input"))
    browser.until("the dialog is open", field.is_displayed)
    field.send_keys("reader", Keys.ENTER)
    browser.until_text("checkout / rps")


def test_it_is_served_where_it_was_enabled_only(deploy):
    entry = f"mine:read:{hashlib.sha256(b'key').hexdigest()}"
    cases = [({}, 200), ({"TIDEMARK_UI": "off"}, 404), ({"TIDEMARK_API_KEYS": entry}, 404),
             ({"TIDEMARK_API_KEYS": entry, "TIDEMARK_UI": "on"}, 200)]
    for env, wanted in cases:
        deployment = deploy(**env)
        for path in ("/ui", "/ui/app.js", "/ui/why.js", "/ui/alerts.js", "/ui/chart.css"):
            assert status(deployment.url + path) == wanted, (env, path)
