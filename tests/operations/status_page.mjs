// Looks at the status page of a worker that is at work, in a real browser: node status_page.mjs URL PLAYWRIGHT SECRET...
// Ends with a message and exit code 1 at the first promise that does not hold. Prints what it has seen.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [url, playwright, ...secrets] = process.argv.slice(2);
const { chromium } = createRequire(import.meta.url)(playwright);
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });

// Everything that a page asks for and complains about.
async function open(options = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const seen = { requests: [], complaints: [] };
  page.on("request", (request) => seen.requests.push(request.url()));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) seen.complaints.push(message.text());
  });
  page.on("pageerror", (error) => seen.complaints.push(String(error)));
  const answer = await page.goto(url);
  assert.equal(answer.status(), 200);
  return { page, seen, answer, context };
}

const text = (page, key) => page.locator(`[data-key="${key}"]`).textContent();
const number = async (page, key) => Number.parseFloat(await text(page, key));

function isQuiet(seen) {
  const base = new URL(url);
  const elsewhere = seen.requests.filter((request) => !request.startsWith("data:") && new URL(request).host !== base.host);
  assert.deepEqual(elsewhere, [], "nothing is asked for elsewhere");
  const paths = new Set(seen.requests.filter((request) => !request.startsWith("data:")).map((request) => new URL(request).pathname));
  assert.ok([...paths].every((path) => ["/", "/events"].includes(path)), `only the page and its events: ${[...paths]}`);
  assert.deepEqual(seen.complaints, [], "the console is quiet");
}

// Every piece of text against what lies behind it, by the rules of WCAG 2.
function contrasts() {
  const parse = (color) => {
    const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number);
    return { rgb: [r, g, b], a };
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((value) => value / 255).map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const { rgb, a } = parse(getComputedStyle(at).backgroundColor);
      if (a === 1) return rgb;
    }
    throw new Error("the page has no background of its own");
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || element.closest("script,style,[hidden]")) continue;
    const [front, back] = [luminance(parse(getComputedStyle(element).color).rgb), luminance(behind(element))];
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    found.push({ text: walker.currentNode.textContent.trim().slice(0, 30), ratio });
  }
  return found;
}

try {
  // Values move under load.
  const { page, seen, answer } = await open({ colorScheme: "light" });
  const policy = answer.headers()["content-security-policy"];
  assert.match(policy, /^default-src 'none'; style-src 'sha256-[^ ;]+'; script-src 'sha256-[^ ;]+'; connect-src 'self';/);
  assert.ok(!policy.includes("unsafe"), policy);
  const before = await number(page, "published");
  const points = await page.locator("#plot-photos polyline").getAttribute("points");
  await page.waitForFunction(
    ([before, points]) => {
      const value = (key) => Number.parseFloat(document.querySelector(`[data-key="${key}"]`).textContent);
      const plot = document.querySelector("#plot-photos polyline").getAttribute("points");
      return value("published") > before && value("photos") > 0 && value("megapixels") > 0 &&
        value("stage.detect.photos") > 0 && value("stage.detect.mean") > 0 && plot !== points && plot.includes(",0.0");
    },
    [before, points],
    { timeout: 120_000 },
  );
  assert.equal(await text(page, "state"), "ready");
  assert.match(await page.locator("#plot-megapixels").getAttribute("aria-label"), /now [\d.]+, at most [\d.]+/);

  // Failures are told by code, with what to do.
  const failure = page.locator("#failures li", { hasText: "unsupported_format" });
  await failure.waitFor({ timeout: 120_000 });
  assert.match(await failure.textContent(), /convert it/);
  assert.equal(await page.locator("#no-failures").isVisible(), false);

  // Nothing of photos, files or people.
  const shown = await page.content();
  for (const secret of secrets) assert.ok(!shown.includes(secret), `the page shows \`${secret}\``);

  // By keyboard alone: the pause is reached, seen, and does what it says.
  const focused = () => page.evaluate(() => {
    const element = document.activeElement;
    const style = getComputedStyle(element);
    return { id: element.id, name: element.textContent.trim().slice(0, 20), outline: style.outlineStyle !== "none" && Number.parseFloat(style.outlineWidth) };
  });
  const reached = [];
  for (let step = 0; step < 12; step += 1) {
    await page.keyboard.press("Tab");
    const at = await focused();
    if (reached.some((other) => other.name === at.name && other.id === at.id)) break;
    assert.ok(at.outline >= 2 || at.name === "" || (await page.evaluate(() => document.activeElement === document.body)), `\`${at.name}\` shows that it is focused`);
    reached.push(at);
  }
  const names = reached.map((at) => at.id || at.name);
  for (const wanted of ["pause", "Metrics", "Alive?", "Ready?"]) {
    assert.ok(names.includes(wanted), `Tab reaches ${wanted}: ${names}`);
  }
  await page.locator("#pause").focus();
  await page.keyboard.press("Enter");
  assert.equal(await page.locator("#pause").getAttribute("aria-pressed"), "true");
  const frozen = await text(page, "published");
  const later = await open();
  await later.page.waitForFunction((frozen) => document.querySelector('[data-key="published"]').textContent !== frozen, frozen, { timeout: 120_000 });
  assert.equal(await text(page, "published"), frozen, "a paused page stands still");
  await page.keyboard.press("Space");
  assert.equal(await page.locator("#pause").getAttribute("aria-pressed"), "false");
  await page.waitForFunction((frozen) => document.querySelector('[data-key="published"]').textContent !== frozen, frozen, { timeout: 120_000 });
  isQuiet(seen);
  isQuiet(later.seen);

  // What cannot be seen: names of roles, one heading of the first level, a language.
  assert.equal(await page.locator("h1").count(), 1);
  assert.equal(await page.locator("html").getAttribute("lang"), "en");
  assert.equal(await page.getByRole("img").count(), 2);
  assert.equal(await page.getByRole("button", { name: "Pause updates" }).count(), 1);

  // Contrast, light and dark, and a phone that need not scroll sideways.
  for (const colorScheme of ["light", "dark"]) {
    const { page, seen } = await open({ colorScheme, viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true });
    await page.waitForFunction(() => document.querySelectorAll("#failures li").length > 0);
    const found = await page.evaluate(contrasts);
    assert.ok(found.length > 50, `${found.length} pieces of text`);
    const weak = found.filter(({ ratio }) => ratio < 4.5);
    assert.deepEqual(weak, [], `${colorScheme}: text that is hard to read`);
    const [wide, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
    assert.ok(wide <= screen, `${colorScheme}: ${wide} px on a screen of ${screen} px`);
    const button = await page.locator("#pause").boundingBox();
    assert.ok(button.height >= 44, `a button of ${button.height} px is hard to hit`);
    const size = await page.evaluate(() => Number.parseFloat(getComputedStyle(document.querySelector("dd")).fontSize));
    assert.ok(size >= 14, `text of ${size} px`);
    isQuiet(seen);
  }
  const backgrounds = [];
  for (const colorScheme of ["light", "dark"]) {
    const { page, context } = await open({ colorScheme });
    backgrounds.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
    await context.close();
  }
  assert.notEqual(backgrounds[0], backgrounds[1], "light and dark differ");

  // Without its script it shows what was true when it was loaded.
  const still = await open({ javaScriptEnabled: false });
  assert.ok((await number(still.page, "published")) > before);
  assert.equal(await still.page.locator("#pause").isVisible(), false);

  // A script that is not the page's does not run.
  const hostile = await open();
  await hostile.page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.ran = true";
    document.body.append(script);
  });
  assert.equal(await hostile.page.evaluate(() => window.ran), undefined);
  assert.ok(hostile.seen.complaints.some((complaint) => complaint.includes("Content Security Policy")), "the browser says why");

  console.log(JSON.stringify({ published: await number(page, "published"), photos_per_second: await number(page, "photos"), tabbed: names }));
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await browser.close();
}
