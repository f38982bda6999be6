import {el, number, svg} from './dom';
import {draw} from './heat';
import {plot, type Plot} from './plot';
import {checksView, verdictView} from './verdict';
import {causalChain, seriesId} from './causal_chain';
import {gallery} from './gallery';
import {knownFailures} from './known_failures';
import type {Run} from './data';

export interface RunView { element: HTMLElement; setStep: (step: number) => void; step: () => number; steps: number; }

export function runView(run: Run): RunView {
  const steps = Math.max(run.steps_done, 1);
  let step = steps - 1, layer = -1, token = 0;
  const plots: Plot[] = [];
  const root = el('div', {class: 'run'});
  const preview = el('img', {class: 'pixels', id: 'preview', alt: 'denoised estimate'}) as HTMLImageElement;
  const overlay = el('canvas', {class: 'pixels overlay', id: 'overlay'}) as HTMLCanvasElement;
  const label = el('output', {id: 'step-label'});
  const slider = el('input', {type: 'range', min: '0', max: String(steps - 1), id: 'scrubber', 'aria-label': 'step'}) as HTMLInputElement;
  const opacity = el('input', {type: 'range', min: '0', max: '100', value: '60', 'aria-label': 'overlay opacity'}) as HTMLInputElement;
  const setStep = (s: number) => {
    step = Math.max(0, Math.min(steps - 1, s));
    slider.value = String(step);
    label.textContent = `step ${run.first_step + step + 1} of ${run.first_step + steps}, timestep ${number(run.timesteps[step])}`;
    const src = run.previews[step];
    if (src) preview.src = src; else preview.removeAttribute('src');
    overlay.style.opacity = layer < 0 ? '0' : String(Number(opacity.value) / 100);
    if (layer >= 0) draw(overlay, run.maps[layer], step, token);
    for (const p of plots) p.setStep(step);
  };
  slider.addEventListener('input', () => setStep(Number(slider.value)));
  opacity.addEventListener('input', () => setStep(step));

  const chips = el('div', {class: 'chips'});
  const chip = (text: string, l: number, t: number) => {
    const b = el('button', {'data-layer': String(l), 'data-token': String(t)}, text);
    b.addEventListener('click', () => { layer = l; token = t; chips.querySelectorAll('button').forEach(o => o.classList.toggle('on', o === b)); setStep(step); });
    chips.append(b);
  };
  chip('no overlay', -1, 0);
  run.maps.forEach((m, l) => { if (m.shape.length === 3) m.labels.forEach((t, i) => chip(t, l, i)); else chip(m.name, l, 0); });

  const picture = el('section', {class: 'picture'});
  if (run.images.length) run.images.forEach(src => picture.append(el('img', {src, class: 'pixels final', alt: 'generated image'})));
  else picture.append(el('div', {class: 'missing'}, 'no image'));
  const scrub = el('section', {class: 'scrub'}, el('div', {class: 'stack'}, preview, overlay), label, slider, el('label', {}, 'overlay ', opacity), chips);
  root.append(el('div', {class: 'top'}, picture, verdictView(run, setStep)), el('div', {class: 'middle'}, scrub, run.verdict ? checksView(run.verdict) : null));

  const findings = run.verdict?.findings ?? [];
  for (const part of [causalChain(run, setStep), run.verdict ? gallery(run.verdict.counterfactuals) : null, knownFailures(run.known_failures)]) if (part) root.append(part);

  const grid = el('section', {class: 'plots'});
  for (const s of run.series) {
    const marked = findings.filter(f => f.evidence.some(e => e.statistic === s.name));
    const p = plot(s, steps, marked, setStep);
    plots.push(p);
    grid.append(el('figure', {id: seriesId(s.name), class: marked.length ? 'marked' : ''}, el('figcaption', {}, el('b', {}, s.name), s.unit ? ` (${s.unit})` : '', el('small', {}, s.meaning)), p.element));
  }
  root.append(el('h2', {}, 'Series'), grid, details(run));
  setStep(step);
  return {element: root, setStep, step: () => step, steps};
}

function details(run: Run): HTMLElement {
  const box = el('section', {class: 'details'}, el('h2', {}, 'Run'));
  const total = run.stages.reduce((a, s) => a + s.ms, 0) || 1;
  const chart = svg('svg', {viewBox: '0 0 600 18', class: 'stages'});
  let x = 0;
  run.stages.forEach((s, i) => { const w = 600 * s.ms / total; const r = svg('rect', {x, y: 0, width: Math.max(w, 0.5), height: 18, style: `fill:hsl(${20 + 25 * i} 60% 50%)`}); const t = svg('title', {}); t.textContent = `${s.name}: ${number(s.ms)} ms`; r.append(t); chart.append(r); x += w; });
  box.append(chart, el('p', {class: 'note'}, run.stages.map(s => `${s.name} ${number(s.ms)} ms`).join(' · ')));
  const table = el('table', {});
  for (const [title, o] of [['request', run.resolved], ['environment', run.environment], ['probes', run.probe_cost ?? {}], ['interventions', run.interventions]] as [string, Record<string, unknown>][])
    for (const [k, v] of Object.entries(o)) if (v !== null && !(Array.isArray(v) && !v.length)) table.append(el('tr', {}, el('td', {}, title), el('td', {}, k), el('td', {}, typeof v === 'object' ? JSON.stringify(v) : String(v))));
  for (const w of run.weights) table.append(el('tr', {}, el('td', {}, 'weights'), el('td', {}, w.component), el('td', {}, w.sha256)));
  box.append(table);
  return box;
}
