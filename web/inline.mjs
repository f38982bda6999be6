// Puts the bundle's script and style into the page, so that a report is one file that needs no network.
import {readFileSync, readdirSync, writeFileSync} from 'node:fs';
const assets = 'dist/assets/';
let html = readFileSync('dist/index.html', 'utf8');
for (const name of readdirSync(assets)) {
  const text = readFileSync(assets + name, 'utf8');
  if (name.endsWith('.css')) html = html.replace(/<link rel="stylesheet"[^>]*>/, () => `<style>${text}</style>`);
  if (name.endsWith('.js')) {
    html = html.replace(/<script type="module"[^>]*><\/script>/, '');
    html = html.replace('</body>', () => `<script type="module">${text.replaceAll('</script', '<\\/script')}</script></body>`);
  }
}
writeFileSync('dist/index.html', html);
