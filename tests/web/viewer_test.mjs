// Real pages in Chromium, from the file system: node viewer_test.mjs SAFELIGHT_BINARY [DIRECTORY_FOR_SCREENSHOTS]
import assert from 'node:assert';
import {execFileSync} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
const require = createRequire(new URL('../../web/package.json', import.meta.url));
const {chromium} = require('playwright-core');

const [binary, shots] = process.argv.slice(2);
const dir = mkdtempSync(join(tmpdir(), 'safelight-web-'));
const env = {...process.env, SAFELIGHT_RUNS: join(dir, 'runs'), XDG_CACHE_HOME: join(dir, 'cache')};
const run = (...args) => execFileSync(binary, args, {env, stdio: ['ignore', 'pipe', 'ignore']}).toString();
const browser = await chromium.launch({executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--no-first-run']});
const hostile = 'a red circle <img src=x onerror="window.broken=1"></script><script>window.broken=1</script>';

// A page that may neither complain nor ask the network.
async function open(file, scheme = 'dark') {
  const page = await browser.newPage({viewport: {width: 1200, height: 1500}, colorScheme: scheme}), problems = [];
  page.on('console', m => m.type() === 'error' && problems.push(m.text()));
  page.on('pageerror', e => problems.push(String(e)));
  page.on('request', r => r.url().startsWith('http') && problems.push('network: ' + r.url()));
  await page.goto('file://' + file);
  const close = async () => {
    assert.equal(await page.evaluate(() => window.broken), undefined, 'the prompt ran as code');
    assert.deepEqual(problems, []);
    await page.close();
  };
  const shot = async (name, clip) => { if (shots) await page.screenshot({path: join(shots, `${name}.png`), ...(clip ? {clip} : {fullPage: true})}); };
  const pixels = id => page.evaluate(i => { const c = document.getElementById(i) ?? document.querySelector(i); return Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).join(); }, id);
  return {page, close, shot, pixels};
}

async function aRun() {
  const {report} = JSON.parse(run('report', join(dir, 'a'), '--json'));
  const {page, close, shot, pixels} = await open(report);
  assert.match(await page.textContent('#sentence'), /It broke because/);
  assert.match(await page.textContent('#prompt'), /onerror/);
  const label = () => page.textContent('#step-label'), src = () => page.getAttribute('#preview', 'src');
  assert.match(await label(), /step 20 of 20/);
  const last = await src();
  await page.keyboard.press('ArrowLeft');
  assert.match(await label(), /step 19 of 20/);
  await page.locator('#scrubber').fill('2');
  assert.match(await label(), /step 3 of 20/);
  assert.notEqual(await src(), last, 'the preview did not move');
  await page.click('.chips button:has-text("red")');
  const red = await pixels('overlay');
  await page.click('.chips button:has-text("circle")');
  assert.notEqual(await pixels('overlay'), red, 'the overlay did not change with the word');
  assert.ok(await page.locator('.plot .band').count() > 5, 'no baseline bands');
  assert.ok(await page.locator('.plot .finding').count() > 0, 'findings are not marked');
  assert.equal(await page.locator('.check').count(), 3);
  // The chain is in the order of time, and its steps lead there.
  const begins = await page.locator('.chain li button').allTextContents();
  const steps = begins.filter(t => /step/.test(t)).map(t => Number(t.match(/\d+/)[0]));
  assert.deepEqual(steps, [...steps].sort((a, b) => a - b));
  await page.locator('.chain li button', {hasText: 'step'}).first().click();
  assert.match(await label(), new RegExp(`step ${steps[0] + 1} of 20`));
  assert.ok(await page.locator('.chain .blamed').count() > 0, 'what was blamed is not marked');
  const target = await page.locator('.chain .evidence a').first().getAttribute('href');
  assert.equal(await page.evaluate(id => document.getElementById(id)?.tagName, target.slice(1)), 'FIGURE', 'evidence does not lead to its series');
  // Before, after and sham of each seed, with pages of their own.
  const row = page.locator('.counterfactual.cure').first();
  assert.ok(await row.locator('img').count() >= 9, 'counterfactual pictures are missing');
  assert.ok(await page.locator('#known .references a[href^="https://"]').count() > 0, 'a known failure has no link');
  await shot('run');
  await row.locator('figcaption a').first().click();
  await page.waitForLoadState();
  assert.match(page.url(), /counterfactuals\/\d+\/report.html$/);
  assert.ok(await page.locator('.plot').count() > 10);
  await close();
}

async function aComparison() {
  const file = join(dir, 'comparison.html');
  const c = JSON.parse(run('compare', join(dir, 'a'), join(dir, 'b'), '--out', file, '--json'));
  const {page, close, shot, pixels} = await open(file);
  assert.match(await page.textContent('#parting'), new RegExp(`They part at step ${c.parting.step} .*first in ${c.parting.by}`));
  assert.match(await page.textContent('#brittle'), /brittle: unknown/);
  const rows = await page.locator('.parameters > table tr').allTextContents();
  assert.equal(rows.length, 1 + c.parameters.filter(p => !p.measured).length);
  assert.ok(rows.some(r => r.includes('resolved.guidance') && r.includes('30') && r.includes('4')), rows.join());
  // The slider cuts the second picture.
  const cut = () => page.evaluate(() => document.getElementById('second-picture').style.clipPath);
  assert.match(await cut(), /50%/);
  await page.locator('#edge').fill('20');
  assert.match(await cut(), /20%/);
  const frame = await page.evaluate(() => { const f = document.querySelector('.frame').style; return [f.left, f.top, f.width, f.height].map(parseFloat); });
  const p = c.pictures[0];
  assert.deepEqual(frame.map(Math.round), [p.box[0] / p.width, p.box[1] / p.height, p.box[2] / p.width, p.box[3] / p.height].map(v => Math.round(100 * v)));
  await shot('comparison');
  await page.click('.pair button:has-text("difference")');
  const shown = (await pixels('difference')).split(',').map(Number);
  assert.equal(shown.length, 4 * p.width * p.height);
  assert.ok(shown.filter((v, i) => i % 4 < 3).some(v => v === 255), 'the difference is not brightened to white');
  // Words side by side follow the step, and so do the plots.
  assert.equal(await page.locator('.word').count(), c.words.length);
  const map = () => pixels('.word canvas');
  const last = await map();
  await page.locator('#pair').fill('1');
  assert.match(await page.textContent('#pair-label'), /step 1, timestep/);
  assert.notEqual(await map(), last);
  assert.ok(await page.locator('.plot .line.dashed').count() > 5, 'the second run is not over the first');
  const before = await page.locator('.plots figure:visible').count();
  await page.click('#all-series');
  assert.ok(await page.locator('.plots figure:visible').count() > before);
  await page.click('nav button:nth-child(2)');
  assert.ok(await page.locator('#scrubber').isVisible());
  await close();
  const light = await open(file, 'light');
  await light.shot('comparison-light');
  assert.notEqual(await light.page.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(20, 16, 15)');
  await light.close();
}

async function aSweep() {
  const out = join(dir, 'sweep');
  const {page: file, report} = JSON.parse(run('sweep', hostile, '--schedulers', 'dpmpp-2m,euler', '--steps', '2,8', '--guidance', '4,30', '--seeds', '0,1', '--out', out, '--json'));
  const {page, close, shot} = await open(file);
  assert.equal(await page.locator('#grid td:not(.empty)').count(), 8);
  const texts = () => page.locator('#grid td').allTextContents(), loss = await texts();
  await page.selectOption('#metric', 'time');
  assert.ok((await texts()).every(t => / ms$/.test(t)));
  await page.selectOption('#metric', 'healthy');
  const cell = report.cells.filter(c => report.points[c.point].scheduler === 'euler' && report.points[c.point].steps === 8 && report.points[c.point].guidance === 4);
  const td = page.locator('#grid td[title^="scheduler euler, steps 8, guidance 4:"]');
  assert.equal(await td.textContent(), `${100 * cell.filter(c => c.healthy).length / cell.length} %`);
  await page.selectOption('#metric', 'verdict');
  assert.ok((await texts()).some(t => /guidance|scheduler/.test(t)), 'no subsystem is shown');
  await page.selectOption('#metric', 'loss');
  assert.deepEqual(await texts(), loss);
  await page.selectOption('#axis-guidance', 'average');
  assert.equal(await page.locator('#grid td:not(.empty)').count(), 4);
  await page.selectOption('#axis-guidance', 'columns');
  // Plot, failures by region, and from a mark to the runs.
  assert.equal(await page.locator('#pareto circle').count(), report.points.length);
  await page.selectOption('#region', {label: 'guidance > 4'}).catch(() => page.selectOption('#region', '1'));
  assert.match(await page.textContent('#failures'), /cells, healthy/);
  await page.locator('#pareto circle').last().click();   // the one on top: it and those under it, two seeds each
  const cards = await page.locator('.cell-card').count();
  assert.ok(cards >= 2 && cards % 2 === 0, `${cards} cards`);
  await td.click();
  assert.match(await page.textContent('#chosen h2'), /euler, steps 8, guidance 4/);
  assert.equal(await page.locator('.cell-card img').count(), 2);
  await shot('sweep');
  await page.locator('.cell-card a').first().click();
  await page.waitForLoadState();
  assert.match(page.url(), /cells\/\d+\/report.html$/);
  assert.match(await page.textContent('#prompt'), /onerror/);
  await close();
  const light = await open(file, 'light');
  await light.page.selectOption('#metric', 'verdict');
  await light.shot('sweep-light');
  await light.close();
}

try {
  run('generate', hostile, '--seed', '7', '--guidance', '30', '--diagnose', '--out', join(dir, 'a'));
  run('generate', 'a red circle', '--seed', '7', '--out', join(dir, 'b'));
  await aRun();
  await aComparison();
  await aSweep();
  console.log('the pages work');
} finally {
  await browser.close();
  rmSync(dir, {recursive: true});
}
