// The page that `train` writes about a run. REPORT is its file.

const { test, before, after } = require("node:test");
const assert = require("node:assert/strict");
const { pathToFileURL } = require("node:url");
const { launch, onPage, picture, contrast, PHONE, DESKTOP } = require("./browser.cjs");

const url = pathToFileURL(process.env.REPORT).href;
let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test("the report has its sections, curves and figures", () =>
  onPage(browser, {}, async page => {
    await page.goto(url);
    const titles = await page.locator("h2").allTextContents();
    for (const title of ["Over time", "Ranking and calibration", "Slices", "Features", "Data and dumps"]) {
      assert.ok(titles.includes(title), `${title} is not among ${titles}`);
    }
    assert.ok((await page.locator("svg path").count()) >= 4, "curves");
    for (const name of ["log loss", "calibration", "AUC"]) {
      assert.ok((await page.textContent("body")).toLowerCase().includes(name.toLowerCase()), name);
    }
    // A curve is a drawing of numbers, all of them finite and within reach.
    const broken = await page.locator("svg").evaluateAll(drawings =>
      drawings.flatMap(drawing => [...drawing.querySelectorAll("path")])
        .filter(path => /NaN|Infinity|undefined/.test(path.getAttribute("d"))).length);
    assert.equal(broken, 0);
    assert.doesNotMatch(await page.textContent("body"), /NaN|undefined/);
    const features = await page.textContent("section:has(h2:text-is('Features'))");
    assert.match(features, /(user|item|event)\/\w+/);
  }));

for (const [device, viewport] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
  for (const colorScheme of ["light", "dark"]) {
    test(`the report is readable on a ${device} in ${colorScheme}`, () =>
      onPage(browser, { viewport, colorScheme }, async page => {
        await page.goto(url);
        await picture(page, `report-${device}-${colorScheme}`);
        for (const selector of ["h1", "h2", "table td"]) {
          const ratio = await contrast(page, selector);
          assert.ok(ratio >= 4.5, `${selector}: ${ratio.toFixed(2)}`);
        }
      }));
  }
}
