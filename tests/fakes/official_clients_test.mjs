// The fakes under the vendors' own clients: what those send is taken, what the fakes answer is understood, wrong requests come back as the
// clients' own errors. The clients are installed here by npm where they are missing; where npm cannot do that, this ends with 77, which ctest
// counts as skipped, and says why.
import assert from 'node:assert';
import {spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {existsSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

// Before anything is imported: node remembers what it has not found.
function install() {
  if (['openai', '@google/genai'].every(name => existsSync(join(here, 'node_modules', name)))) return;
  const done = spawnSync('npm', ['install', '--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error'], {cwd: here, encoding: 'utf8', timeout: 200_000});
  if (done.status === 0) return;
  console.log(`skipped: npm cannot install the vendors' clients: ${String(done.error?.message ?? done.stderr).trim().split('\n')[0]}`);
  process.exit(77);
}

async function start(script) {
  const child = spawn('python3', [join(here, script)], {stdio: ['pipe', 'pipe', 'inherit'], env: {...process.env, PYTHONDONTWRITEBYTECODE: '1'}});
  const [line] = await once(child.stdout, 'data');
  return {origin: `http://127.0.0.1:${String(line).trim()}`, stop: () => child.stdin.end()};
}

const counts = async (fake, run) => (await fetch(`${fake.origin}/__fake/${run}`)).json();
const isPng = text => Buffer.from(text, 'base64').subarray(1, 4).toString() === 'PNG';

async function checkOpenAi(fake) {
  const {default: OpenAI, toFile} = await import('openai');
  const client = (run, scenarios, more = {}) => new OpenAI({apiKey: 'sk-fake-0123456789abcdef', baseURL: `${fake.origin}/${run}/${scenarios}/v1`, maxRetries: 0, ...more});

  const hd = await client('o1', 'ok').images.generate({model: 'dall-e-3', prompt: 'a barn', quality: 'hd', style: 'natural', size: '1792x1024', response_format: 'b64_json'});
  assert(isPng(hd.data[0].b64_json) && hd.data[0].revised_prompt);
  const linked = await client('o2', 'ok').images.generate({model: 'dall-e-3', prompt: 'a barn'});
  assert.equal((await fetch(linked.data[0].url)).headers.get('content-type'), 'image/png');
  const gpt = await client('o3', 'ok').images.generate({model: 'gpt-image-2', prompt: 'a barn', n: 2, size: '512x256', quality: 'low', output_format: 'webp', background: 'transparent'});
  assert.equal(gpt.data.length, 2);
  assert.equal(gpt.usage.output_tokens, 8320);
  const png = Buffer.from(hd.data[0].b64_json, 'base64');
  const edit = await client('o4', 'ok').images.edit({model: 'gpt-image-2', prompt: 'a barn', size: '256x256', image: [await toFile(png, 'a.png', {type: 'image/png'}), await toFile(png, 'b.png', {type: 'image/png'})]});
  assert(isPng(edit.data[0].b64_json));
  assert((await client('o5', 'ok').models.list()).data.some(m => m.id === 'gpt-image-2'));

  const kinds = {unauthorized: OpenAI.AuthenticationError, unverified: OpenAI.PermissionDeniedError, refused: OpenAI.BadRequestError, retired404: OpenAI.NotFoundError, throttled_ms: OpenAI.RateLimitError,
                 error500: OpenAI.InternalServerError, error409: OpenAI.ConflictError, close_before: OpenAI.APIConnectionError};
  for (const [scenario, kind] of Object.entries(kinds)) await assert.rejects(client('o-' + scenario, scenario).images.generate({model: 'gpt-image-2', prompt: 'a barn'}), kind, scenario);
  await assert.rejects(client('o6', 'ok').images.generate({model: 'gpt-image-2', prompt: 'a barn', response_format: 'b64_json'}), e => e.code === 'unknown_parameter' && e.param === 'response_format');
  await assert.rejects(client('o7', 'ok').images.generate({model: 'dall-e-3', prompt: 'a barn', n: 2}), OpenAI.BadRequestError);
  await assert.rejects(client('o8', 'refused').images.generate({model: 'gpt-image-2', prompt: 'a barn'}), e => e.code === 'moderation_blocked' && e.request_id?.startsWith('req_'));
  const again = await client('o9', 'throttled_ms,error500,ok', {maxRetries: 3}).images.generate({model: 'gpt-image-2', prompt: 'a barn'});
  assert(isPng(again.data[0].b64_json));
  assert.deepEqual(await counts(fake, 'o9').then(c => [c.requests, c.accepted]), [3, 1]);
}

async function checkGoogle(fake) {
  const {GoogleGenAI} = await import('@google/genai');
  const client = (run, scenario) => new GoogleGenAI({apiKey: 'AIzaFake-0123456789abcdef', httpOptions: {baseUrl: `${fake.origin}/${run}/${scenario}`}});
  const model = 'gemini-3.1-flash-image';
  const picture = answer => answer.candidates[0].content.parts.find(p => p.inlineData)?.inlineData.data;

  const made = await client('g1', 'ok').models.generateContent({model, contents: 'a barn', config: {responseModalities: ['TEXT', 'IMAGE'], imageConfig: {aspectRatio: '16:9', imageSize: '1K'}, seed: 7}});
  assert(isPng(picture(made)));
  assert.deepEqual((await counts(fake, 'g1')).bodies[0].generationConfig.imageConfig, {aspectRatio: '16:9', imageSize: '1K'});
  const edited = await client('g2', 'ok').models.generateContent({model, contents: [{role: 'user', parts: [{text: 'a barn'}, {inlineData: {mimeType: 'image/png', data: picture(made)}}]}]});
  assert(isPng(picture(edited)));
  const blocked = await client('g3', 'blocked').models.generateContent({model, contents: 'a barn'});
  assert.equal(blocked.promptFeedback.blockReason, 'PROHIBITED_CONTENT');
  let pieces = 0;
  for await (const piece of await client('g4', 'ok').models.generateContentStream({model, contents: 'a barn'})) pieces += Boolean(picture(piece));
  assert.equal(pieces, 1);
  for (const [scenario, status] of Object.entries({unauthorized: 400, unverified: 403, retired: 404, throttled: 429, error500: 500, error503: 503}))
    await assert.rejects(client('g-' + scenario, scenario).models.generateContent({model, contents: 'a barn'}), e => e.status === status, scenario);
  await assert.rejects(client('g5', 'ok').models.generateContent({model, contents: 'a barn', config: {candidateCount: 2}}), e => /Multiple candidates/.test(e.message));
  await assert.rejects(client('g6', 'ok').models.generateContent({model: 'gemini-2.5-flash-image', contents: 'a barn', config: {imageConfig: {imageSize: '2K'}}}), e => e.status === 400);

  const imagen = await client('g7', 'ok').models.generateImages({model: 'imagen-4.0-fast-generate-001', prompt: 'a barn', config: {numberOfImages: 2, aspectRatio: '16:9', outputMimeType: 'image/jpeg', includeRaiReason: true}});
  assert.equal(imagen.generatedImages.length, 2);
  const none = await client('g8', 'refused').models.generateImages({model: 'imagen-4.0-fast-generate-001', prompt: 'a barn', config: {includeRaiReason: true}});
  assert.match(none.generatedImages[0].raiFilteredReason, /Responsible AI/);
}

install();
for (const [script, check] of [['openai_fake.py', checkOpenAi], ['google_fake.py', checkGoogle]]) {
  const fake = await start(script);
  try {
    await check(fake);
    console.log(`${script}: the official client agrees`);
  } finally {
    fake.stop();
  }
}
