// Opens a coverage report in a browser without a screen, wide and narrow, light and dark: nothing on the console, no request
// but for the page itself, every chart drawn, nothing wider than the window, every figure as in the JSON.
// look.mjs PAGE.html REPORT.json [FOLDER FOR PICTURES]
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import puppeteer from 'puppeteer-core';

const [file, json, pictures] = process.argv.slice(2);
const report = JSON.parse(readFileSync(json, 'utf8'));
const failures = [];

// Runs in the page.
function measure() {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const box = (element) => element.getBoundingClientRect();
  const shown = (element) => element.offsetParent && element.textContent.trim();
  return {
    page: document.documentElement.scrollWidth,
    window: window.innerWidth,
    paper: getComputedStyle(document.body).backgroundColor,
    charts: all('svg').length,
    undrawn: all('svg').filter((svg) => box(svg).width < 20 || box(svg).height < 4).length,
    cut: all('.scroll').filter((table) => table.scrollWidth > table.clientWidth + 1).length,
    letters: Math.min(...all('td, th, p, dt, dd').filter(shown).map((e) => parseFloat(getComputedStyle(e).fontSize))),
    figures: all('[data-figure]').map((e) => [e.dataset.figure, Number(e.textContent.replaceAll(',', ''))]),
  };
}

function check(holds, what) {
  if (!holds) failures.push(what);
}

async function look(browser, width, scheme) {
  const page = await browser.newPage();
  const said = [];
  const asked = [];
  page.on('console', (message) => said.push(message.text()));
  page.on('pageerror', (error) => said.push(error.message));
  page.on('request', (request) => asked.push(request.url()));
  await page.setViewport({ width, height: 900 });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  await page.goto(pathToFileURL(file).href);
  const seen = await page.evaluate(measure);
  const place = `${width} pixels, ${scheme}`;
  check(said.length === 0, `${place}: the console says ${said.join('; ')}`);
  check(asked.length === 1, `${place}: asked for ${asked.slice(1).join(' ')}`);
  check(seen.charts > 10 && seen.undrawn === 0, `${place}: ${seen.undrawn} of ${seen.charts} charts are not drawn`);
  check(seen.page <= seen.window, `${place}: the page is ${seen.page} pixels wide`);
  check(seen.cut === 0, `${place}: ${seen.cut} tables do not fit`);
  check(seen.letters >= 12, `${place}: letters of ${seen.letters} pixels`);
  check(seen.figures.length > 50, `${place}: ${seen.figures.length} figures`);
  for (const [path, number] of seen.figures) {
    const value = path.split('/').reduce((part, key) => part?.[key], report);
    check(value === number, `${place}: ${path} is ${number}, and ${value} in the JSON`);
  }
  if (pictures) await page.screenshot({ path: join(pictures, `${width}-${scheme}.png`) });
  await page.close();
  return seen;
}

async function open() {
  if (process.env.CHROME) return puppeteer.launch({ executablePath: process.env.CHROME, args: ['--no-sandbox'] });
  const { default: chromium } = await import('@sparticuz/chromium');
  const args = chromium.args.filter((word) => word !== '--single-process');
  return puppeteer.launch({ executablePath: await chromium.executablePath(), args, headless: 'shell' });
}

const browser = await open();
const papers = new Set();
for (const width of [1280, 390]) {
  for (const scheme of ['light', 'dark']) papers.add((await look(browser, width, scheme)).paper);
}
check(papers.size === 2, `light and dark have the same paper: ${[...papers].join(' ')}`);
await browser.close();
failures.forEach((failure) => console.error(failure));
console.log(failures.length ? `${failures.length} faults` : 'the page is as it should be, wide and narrow, light and dark');
process.exit(failures.length ? 1 : 0);
