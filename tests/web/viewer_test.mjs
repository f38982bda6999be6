// A real report in Chromium, from the file system: node viewer_test.mjs SAFELIGHT_BINARY [SCREENSHOT]
import assert from 'node:assert';
import {execFileSync} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
const require = createRequire(new URL('../../web/package.json', import.meta.url));
const {chromium} = require('playwright-core');

const [binary, screenshot] = process.argv.slice(2);
const dir = mkdtempSync(join(tmpdir(), 'safelight-web-'));
const env = {...process.env, SAFELIGHT_RUNS: join(dir, 'runs'), XDG_CACHE_HOME: join(dir, 'cache')};
const run = (...args) => execFileSync(binary, args, {env, stdio: ['ignore', 'pipe', 'ignore']}).toString();
const browser = await chromium.launch({executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--no-first-run']});
try {
  const hostile = 'a red circle <img src=x onerror="window.broken=1"></script><script>window.broken=1</script>';
  run('generate', hostile, '--seed', '7', '--guidance', '30', '--diagnose', '--out', join(dir, 'a'));
  const {report} = JSON.parse(run('report', join(dir, 'a'), '--json'));
  const page = await browser.newPage({viewport: {width: 1200, height: 1500}});
  const problems = [];
  page.on('console', m => m.type() === 'error' && problems.push(m.text()));
  page.on('pageerror', e => problems.push(String(e)));
  page.on('request', r => r.url().startsWith('http') && problems.push('network: ' + r.url()));
  await page.goto('file://' + report);
  assert.match(await page.textContent('#sentence'), /It broke because/);
  assert.match(await page.textContent('#prompt'), /onerror/);
  assert.equal(await page.evaluate(() => window.broken), undefined, 'the prompt ran as code');
  const label = () => page.textContent('#step-label'), src = () => page.getAttribute('#preview', 'src');
  assert.match(await label(), /step 20 of 20/);
  const last = await src();
  await page.keyboard.press('ArrowLeft');
  assert.match(await label(), /step 19 of 20/);
  await page.locator('#scrubber').fill('2');
  assert.match(await label(), /step 3 of 20/);
  assert.notEqual(await src(), last, 'the preview did not move');
  const pixels = () => page.evaluate(() => { const c = document.getElementById('overlay'); return Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).join(); });
  await page.click('.chips button:has-text("red")');
  const red = await pixels();
  await page.click('.chips button:has-text("circle")');
  assert.notEqual(await pixels(), red, 'the overlay did not change with the word');
  assert.ok(await page.locator('.plot .band').count() > 5, 'no baseline bands');
  assert.ok(await page.locator('.plot .finding').count() > 0, 'findings are not marked');
  assert.equal(await page.locator('.check').count(), 3);
  assert.ok(await page.locator('.counterfactuals img').count() >= 4, 'counterfactual pictures are missing');
  if (screenshot) { await page.locator('#scrubber').fill('6'); await page.screenshot({path: screenshot, clip: {x: 0, y: 0, width: 1200, height: 1250}}); }
  assert.deepEqual(problems, []);
  console.log('the report works');
} finally {
  await browser.close();
  rmSync(dir, {recursive: true});
}
