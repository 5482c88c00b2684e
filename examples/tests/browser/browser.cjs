// A browser for the tests, and what makes a page count as sound.

const { chromium } = require("playwright-core");
const assert = require("node:assert/strict");
const path = require("node:path");

const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1280, height: 900 };

const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: [
      "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });

// Runs `body` on a page and fails on anything that the console, the page or the network complains
// of, but for answers whose status is in `refusals`.
async function onPage(browser, { viewport = DESKTOP, colorScheme = "light", refusals = [] }, body) {
  const context = await browser.newContext({ viewport, colorScheme });
  const page = await context.newPage();
  const complaints = [];
  page.on("pageerror", error => complaints.push(`error: ${error}`));
  page.on("console", message => {
    const refused = refusals.some(status => message.text().includes(`status of ${status}`));
    if (["error", "warning"].includes(message.type()) && !refused) complaints.push(message.text());
  });
  page.on("requestfailed", request => complaints.push(`failed: ${request.url()}`));
  page.on("request", request => {
    const { protocol, hostname } = new URL(request.url());
    if (!["file:", "data:"].includes(protocol) && hostname !== "127.0.0.1") complaints.push(`elsewhere: ${request.url()}`);
  });
  try {
    await body(page);
    assert.deepEqual(complaints, []);
    const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(excess <= 0, `the page is ${excess} px wider than its window`);
  } finally {
    await context.close();
  }
}

async function picture(page, name) {
  if (process.env.PICTURES) {
    await page.screenshot({ path: path.join(process.env.PICTURES, `${name}.png`), fullPage: true });
  }
}

// Contrast of an element's text with what is behind it, by WCAG 2.
const contrast = (page, selector) =>
  page.evaluate(selector => {
    const numbers = color => color.match(/[\d.]+/g).map(Number);
    const light = color => {
      const [r, g, b] = numbers(color).map(c => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const element = document.querySelector(selector);
    let behind = element;
    while (behind && (numbers(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0) behind = behind.parentElement;
    const text = light(getComputedStyle(element).color);
    const back = light(behind ? getComputedStyle(behind).backgroundColor : "rgb(255, 255, 255)");
    return (Math.max(text, back) + 0.05) / (Math.min(text, back) + 0.05);
  }, selector);

module.exports = { launch, onPage, picture, contrast, PHONE, DESKTOP };
