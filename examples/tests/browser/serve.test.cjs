// The page of `serve`, used as a person uses it. URL is the service.

const { test, before, after } = require("node:test");
const assert = require("node:assert/strict");
const { launch, onPage, picture, contrast, PHONE, DESKTOP } = require("./browser.cjs");

const url = process.env.URL;
let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

const probability = async page => parseFloat(await page.textContent("#probability"));
const answered = page => page.waitForFunction(() => /%/.test(document.querySelector("#probability").textContent));

async function open(page) {
  await page.goto(url);
  await answered(page);
}

test("choosing a user and a video shows the probability and what made it", () =>
  onPage(browser, {}, async page => {
    await open(page);
    assert.match(await page.textContent("#version"), /^\d{4}-\d\d-\d\dT\d\d-\d+$/);
    const users = await page.locator("#user option").count();
    const videos = await page.locator("#item option").count();
    assert.ok(users >= 20 && videos >= 20, `${users} users, ${videos} videos`);

    // The most likely video comes first; its probability stands in the list and in the result.
    const first = await page.textContent("#item option >> nth=0");
    assert.ok(first.includes((await page.textContent("#probability")).trim()), first);
    const best = await probability(page);
    const last = page.waitForResponse(response => response.url().endsWith("/explain"));
    await page.selectOption("#item", { index: videos - 1 });
    const answer = await (await last).json();
    await page.waitForFunction(best => parseFloat(document.querySelector("#probability").textContent) < best, best);
    assert.ok(Math.abs((await probability(page)) - 100 * answer.probability) < 0.06);
    assert.equal(await page.textContent("#decision"), answer.like ? "Like" : "Not a like");

    // The parts are those of the answer, and add up but for the rounding of single precision.
    const sum = answer.contributions.reduce((sum, part) => sum + part.contribution, answer.bias);
    assert.ok(Math.abs(sum - answer.margin) < 1e-5);
    assert.equal(await page.textContent("#parts tr >> nth=0 >> th"), answer.contributions[0].feature);
    assert.equal(await page.locator("#parts tr").count(), 12);
    await page.click("#more");
    assert.equal(await page.locator("#parts tr").count(), answer.contributions.length);
    const down = await page.locator("#parts .bar i.down").count();
    assert.equal(down, answer.contributions.filter(part => part.contribution < 0).length);
  }));

test("another user has other facts, and any other pair is answered", () =>
  onPage(browser, {}, async page => {
    await open(page);
    const facts = await page.textContent("#user-facts");
    const explained = () => page.waitForResponse(response => response.url().endsWith("/explain"));
    let waiting = explained();
    await page.selectOption("#user", { index: 7 });
    assert.equal((await waiting).status(), 200);
    await page.waitForFunction(facts => document.querySelector("#user-facts").textContent !== facts, facts);
    waiting = explained();
    await page.click("#random");
    assert.equal((await waiting).status(), 200);
  }));

test("an event can be changed, and what is wrong with it is said", () =>
  onPage(browser, { refusals: [400] }, async page => {
    await open(page);
    await page.click("summary");
    const event = JSON.parse(await page.inputValue("#event"));
    const before = await page.textContent("#margin");
    await page.fill("#event", JSON.stringify({ ...event, user: { id: "nobody" } }));
    await page.click("#ask");
    await page.waitForFunction(before => document.querySelector("#margin").textContent !== before, before);

    await page.fill("#event", JSON.stringify({ ...event, time: "yesterday" }));
    await page.click("#ask");
    await page.waitForSelector("#problem:not([hidden])");
    assert.match(await page.textContent("#problem"), /time: .*yesterday/);
    await picture(page, "serve-problem");
    await page.fill("#event", JSON.stringify(event));
    await page.click("#ask");
    await page.waitForSelector("#problem", { state: "hidden" });
  }));

test("everything can be reached from the keyboard and has a name", () =>
  onPage(browser, {}, async page => {
    await open(page);
    const reached = [];
    for (let presses = 0; presses < 6; presses++) {
      await page.keyboard.press("Tab");
      reached.push(await page.evaluate(() => document.activeElement.id || document.activeElement.tagName));
    }
    assert.deepEqual(reached.slice(0, 5), ["user", "item", "random", "more", "SUMMARY"]);
    for (const name of ["User", /^Video/]) assert.equal(await page.getByRole("combobox", { name }).count(), 1);
  }));

for (const [device, viewport] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
  for (const colorScheme of ["light", "dark"]) {
    test(`the page is readable on a ${device} in ${colorScheme}`, () =>
      onPage(browser, { viewport, colorScheme }, async page => {
        await open(page);
        await picture(page, `serve-${device}-${colorScheme}`);
        for (const selector of ["h1", "h2", "#decision", "caption", "#parts td.up, #parts td.down", "#user-facts li", "#mark-text"]) {
          const ratio = await contrast(page, selector);
          assert.ok(ratio >= 4.5, `${selector}: ${ratio.toFixed(2)}`);
        }
      }));
  }
}
