// Heat maps over the preview. Rows come as base64 of bytes (0..255 of the row's peak).
import type {HeatMap} from './data';
const cache = new Map<string, Uint8Array>();
function bytes(text: string): Uint8Array {
  let b = cache.get(text);
  if (!b) { const s = atob(text); b = new Uint8Array(s.length); for (let i = 0; i < s.length; i++) b[i] = s.charCodeAt(i); cache.set(text, b); }
  return b;
}
export function draw(canvas: HTMLCanvasElement, map: HeatMap, step: number, index: number): void {
  const [h, w] = map.shape.slice(-2);
  canvas.width = w; canvas.height = h;
  const row = map.rows[Math.min(step, map.rows.length - 1)], context = canvas.getContext('2d');
  if (!context) return;
  context.clearRect(0, 0, w, h);
  if (!row) return;
  const data = bytes(row), image = context.createImageData(w, h), offset = index * w * h;
  let top = 1;
  for (let i = 0; i < w * h; i++) top = Math.max(top, data[offset + i]);
  for (let i = 0; i < w * h; i++) {
    const v = data[offset + i] / top;
    image.data.set([255, Math.round(170 * v), Math.round(40 * v), Math.round(230 * v)], 4 * i);
  }
  context.putImageData(image, 0, 0);
}
