// Two pictures under a slider, beside one another, or their difference, with a frame round what changed.
import {button, el, number} from './dom';
import type {Comparison, PictureDifference, Run} from './data';

type Mode = 'slider' | 'side by side' | 'difference';

function loaded(image: HTMLImageElement): Promise<void> {
  return image.complete ? Promise.resolve() : new Promise(done => image.addEventListener('load', () => done(), {once: true}));
}

// |first - second| per pixel, brightened so that the largest one is white.
async function drawDifference(canvas: HTMLCanvasElement, first: HTMLImageElement, second: HTMLImageElement, d: PictureDifference): Promise<void> {
  await Promise.all([loaded(first), loaded(second)]);
  canvas.width = d.width; canvas.height = d.height;
  const context = canvas.getContext('2d', {willReadFrequently: true});
  if (!context) return;
  const pixels = (image: HTMLImageElement) => { context.drawImage(image, 0, 0, d.width, d.height); return context.getImageData(0, 0, d.width, d.height); };
  const a = pixels(first), b = pixels(second);
  let most = 1;
  for (let i = 0; i < a.data.length; i++) if (i % 4 < 3) most = Math.max(most, Math.abs(a.data[i] - b.data[i]));
  for (let i = 0; i < a.data.length; i++) a.data[i] = i % 4 < 3 ? 255 * Math.abs(a.data[i] - b.data[i]) / most : 255;
  context.putImageData(a, 0, 0);
}

export function comparisonPictures(c: Comparison, first: Run, second: Run): HTMLElement {
  const root = el('section', {class: 'picture pair'});
  if (!c.pictures.length) { root.append(el('div', {class: 'missing'}, 'no pictures to compare')); return root; }
  let shown = c.pictures[0], mode: Mode = 'slider';
  const a = el('img', {class: 'pixels', alt: 'first run'}) as HTMLImageElement, b = el('img', {class: 'pixels over', alt: 'second run', id: 'second-picture'}) as HTMLImageElement;
  const canvas = el('canvas', {class: 'pixels', id: 'difference'}) as HTMLCanvasElement, frame = el('div', {class: 'frame'});
  const edge = el('input', {type: 'range', min: '0', max: '100', value: '50', id: 'edge', 'aria-label': 'where the second picture begins'}) as HTMLInputElement;
  const stage = el('div', {class: 'stage'}), note = el('p', {class: 'note', id: 'picture-note'}), modes = el('div', {class: 'chips'});
  const cut = () => { b.style.clipPath = mode === 'slider' ? `inset(0 0 0 ${edge.value}%)` : ''; };
  const show = () => {
    stage.className = `stage ${mode.replace(/ /g, '-')}`;
    stage.style.aspectRatio = `${mode === 'side by side' ? 2 * shown.width : shown.width} / ${shown.height}`;
    stage.replaceChildren(...(mode === 'difference' ? [canvas] : [a, b]), ...(mode === 'side by side' ? [] : [frame]));
    edge.hidden = mode !== 'slider';
    cut();
    modes.querySelectorAll('button').forEach(o => o.classList.toggle('on', o.textContent === mode));
  };
  const choose = (d: PictureDifference) => {
    shown = d;
    a.src = first.images[d.index]; b.src = second.images[d.index];
    const [x, y, w, h] = d.box;
    Object.assign(frame.style, {left: `${100 * x / d.width}%`, top: `${100 * y / d.height}%`, width: `${100 * w / d.width}%`, height: `${100 * h / d.height}%`});
    frame.hidden = d.changed <= 0;
    note.textContent = d.changed > 0 ? `mean difference ${number(d.mean)} of 255, ${number(d.psnr_db)} dB; ${number(100 * d.changed)} % of the pixels changed, within the frame` : `no pixel changed visibly (mean difference ${number(d.mean)} of 255)`;
    void drawDifference(canvas, a, b, d);
    show();
  };
  for (const m of ['slider', 'side by side', 'difference'] as Mode[]) modes.append(button(m, () => { mode = m; show(); }));
  edge.addEventListener('input', cut);
  root.append(stage, edge, modes);
  if (c.pictures.length > 1) root.append(el('div', {class: 'chips'}, ...c.pictures.map(d => button(`picture ${d.index}`, () => choose(d)))));
  root.append(note);
  choose(shown);
  return root;
}
