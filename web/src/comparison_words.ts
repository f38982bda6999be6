// Cross-attention of each word in both runs side by side, with how much of it lies elsewhere.
import {el, number} from './dom';
import {draw} from './heat';
import type {Comparison, HeatMap, Run, WordDifference} from './data';

const kMap = 'attention.cross';

function side(run: Run, map: HeatMap | undefined, index: number): {element: HTMLElement; show: (step: number) => void} {
  const row = (step: number) => step - run.first_step;
  if (!map || index < 0) return {element: el('div', {class: 'word-map missing'}, '–'), show: () => undefined};
  const preview = el('img', {class: 'pixels', alt: ''}) as HTMLImageElement, canvas = el('canvas', {class: 'pixels overlay'}) as HTMLCanvasElement;
  const show = (step: number) => {
    const src = run.previews[row(step)];
    if (src) preview.src = src; else preview.removeAttribute('src');
    draw(canvas, map, row(step), index);
  };
  return {element: el('div', {class: 'word-map stack'}, preview, canvas), show};
}

function title(w: WordDifference): string {
  return w.match === 'same' ? w.first : w.match === 'replaced' ? `${w.first} → ${w.second}` : w.match === 'only-first' ? `${w.first} (first only)` : `${w.second} (second only)`;
}

export function comparisonWords(c: Comparison, first: Run, second: Run): {element: HTMLElement; setStep: (pair: number) => void} {
  const box = el('div', {class: 'words'}), show: ((pair: number) => void)[] = [];
  const map = (run: Run) => run.maps.find(m => m.name === kMap);
  for (const w of c.words) {
    const a = side(first, map(first), w.index_first), b = side(second, map(second), w.index_second), now = el('span', {});
    const bar = el('i', {class: 'moved'});
    const facts = w.moved.length ? `${number(100 * w.moved_mean, 2)} % of its attention lies elsewhere; share ${number(w.share_first)} and ${number(w.share_second)}` : 'in one run only';
    box.append(el('figure', {class: 'word'}, el('figcaption', {}, el('b', {}, title(w)), el('small', {}, facts)), el('div', {class: 'two'}, a.element, b.element), el('div', {class: 'track'}, bar), now));
    show.push(pair => {
      const s = c.steps[pair], moved = w.moved[pair];
      if (s) { a.show(s.first); b.show(s.second); }
      bar.style.width = `${100 * (moved ?? 0)}%`;
      now.textContent = moved === null || moved === undefined ? '' : `${number(100 * moved, 2)} % here`;
    });
  }
  const element = el('div', {}, c.words.length ? el('h2', {}, 'Attention of words, those that moved most first') : null, box);
  return {element, setStep: pair => show.forEach(s => s(pair))};
}
