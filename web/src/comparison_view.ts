// Two runs against each other.
import {comparisonPictures} from './comparison_pictures';
import {comparisonWords} from './comparison_words';
import {el, number, table} from './dom';
import {chart, type Plot} from './plot';
import type {Comparison, ParameterDifference, Run, Series, SeriesDifference} from './data';

const kSeriesAtFirst = 12;

function text(value: unknown): string {
  if (value === null || value === undefined) return '–';
  return typeof value === 'number' ? number(value, 5) : typeof value === 'string' ? value : JSON.stringify(value);
}

function parameters(list: ParameterDifference[]): HTMLElement {
  const rows = (measured: boolean) => list.filter(d => d.measured === measured).map(d => [d.path, text(d.first), text(d.second)]);
  const settings = rows(false), measured = rows(true);
  const box = el('section', {class: 'parameters'}, el('h2', {}, 'Settings that differ'), settings.length ? table(['setting', 'first', 'second'], ...settings) : el('p', {class: 'note'}, 'The same settings.'));
  if (measured.length) box.append(el('details', {}, el('summary', {}, `Measured facts that differ: ${measured.length}`), table(['fact', 'first', 'second'], ...measured)));
  return box;
}

function summary(c: Comparison): HTMLElement {
  const box = el('section', {class: 'verdict'}), s = c.sensitivity;
  const parts: string[] = [];
  if (c.parting.step >= 0) parts.push(`They part at step ${c.parting.step}${c.parting.timestep === null ? '' : ` (timestep ${number(c.parting.timestep)})`}, first in ${c.parting.by}.`);
  else if (c.steps.length) parts.push('They are the same at every step that both have.');
  if (c.parting.half_steps >= 0) parts.push(`Half of the final distance is there after ${c.parting.half_steps} steps.`);
  if (c.final_distance !== null) parts.push(`The final latents lie ${number(c.final_distance)} of the first one's length apart.`);
  if (c.same_bytes) parts.push('The pictures are the same bytes.');
  const badge = {yes: 'broken', no: 'healthy', unknown: 'undetermined'}[s.brittle] ?? 'undetermined';
  box.append(el('p', {class: 'sentence', id: 'parting'}, parts.join(' ') || 'There is little that can be compared.'),
    el('p', {id: 'brittle'}, el('span', {class: `badge ${badge}`}, `brittle: ${s.brittle}`), ` ${s.why}.`));
  const facts: [string, string][] = [['first', `${c.first.id}: ${c.first.prompt}`], ['second', `${c.second.id}: ${c.second.prompt}`]];
  if (s.own_edit !== null) facts.push(['own small edit', `moved the first run's latent by ${number(s.own_edit)}`]);
  const list = el('dl', {});
  for (const [k, t] of facts) list.append(el('dt', {}, k), el('dd', {}, t));
  box.append(list);
  for (const m of c.missing) box.append(el('p', {class: 'note missing-part'}, m));
  return box;
}

const kFirst = 'var(--amber)', kSecond = 'var(--blue)';

function latentPlot(c: Comparison, steps: number, onStep: (pair: number) => void): Plot {
  const place = new Map(c.steps.map((p, i) => [p.first, i]));
  const shown = c.latents.map(l => ({...l, at: place.get(l.steps_first) ?? (l === c.latents[c.latents.length - 1] ? steps - 1 : -1)})).filter(l => l.at >= 0);
  return chart({meaning: 'distance of the latents', steps, lines: [{label: 'relative distance', values: shown.map(l => l.distance), at: shown.map(l => l.at), color: 'var(--red)'}]}, onStep);
}

// Both runs over one another at the paired steps: each element in the first run's colour and, dashed, in the second's.
function seriesPlot(d: SeriesDifference, a: Series, b: Series, first: Run, second: Run, c: Comparison, onStep: (pair: number) => void): Plot {
  const lines = [];
  for (let e = 0; e < (a.values[0]?.length ?? 0); e++) {
    const label = a.labels[e] ? `${a.labels[e]}, ` : '';
    lines.push({label: `${label}first`, color: kFirst, values: c.steps.map(p => a.values[p.first - first.first_step]?.[e])},
      {label: `${label}second`, color: kSecond, dashed: true, values: c.steps.map(p => b.values[p.second - second.first_step]?.[e])});
  }
  return chart({meaning: d.meaning, steps: c.steps.length, lines, marked: d.first_pair >= 0 ? [{first_step: d.first_pair, last_step: d.first_pair}] : []}, onStep);
}

export function comparisonView(c: Comparison, first: Run, second: Run): {element: HTMLElement; step: () => number; setStep: (pair: number) => void} {
  const pairs = Math.max(c.steps.length, 1);
  let pair = pairs - 1;
  const plots: Plot[] = [];
  const words = comparisonWords(c, first, second);
  const label = el('output', {id: 'pair-label'});
  const slider = el('input', {type: 'range', min: '0', max: String(pairs - 1), id: 'pair', 'aria-label': 'step'}) as HTMLInputElement;
  const setStep = (p: number) => {
    pair = Math.max(0, Math.min(pairs - 1, p));
    slider.value = String(pair);
    const s = c.steps[pair];
    label.textContent = s ? (s.first === s.second ? `step ${s.first}` : `steps ${s.first} and ${s.second}`) + `, timestep ${number(s.timestep)}` : 'no steps in common';
    words.setStep(pair);
    for (const plot of plots) plot.setStep(pair);
  };
  slider.addEventListener('input', () => setStep(Number(slider.value)));

  const grid = el('section', {class: 'plots'});
  const add = (name: string, meaning: string, plot: Plot, more = false) => { plots.push(plot); grid.append(el('figure', more ? {class: 'more', hidden: ''} : {}, el('figcaption', {}, el('b', {}, name), el('small', {}, meaning)), plot.element)); };
  if (c.latents.length) add('latents', c.latents_scaled ? 'distance of the latents, both at length 1' : 'distance of the latents, relative to the first', latentPlot(c, pairs, setStep));
  c.series.forEach((d, i) => {
    const a = first.series.find(s => s.name === d.name), b = second.series.find(s => s.name === d.name);
    if (a && b) add(`${d.name}${d.unit ? ` (${d.unit})` : ''}`, `${d.meaning}; relative difference ${number(d.relative, 2)}`, seriesPlot(d, a, b, first, second, c, setStep), i >= kSeriesAtFirst);
  });
  const head = el('div', {class: 'row legend'}, el('span', {class: 'first'}, 'first run'), el('span', {class: 'second'}, 'second run'), el('small', {}, 'The shaded step is the first at which a series differs by more than rounding.'));
  if (c.series.length > kSeriesAtFirst) {
    const all = el('button', {type: 'button', id: 'all-series'}, `show all ${c.series.length}`);
    all.addEventListener('click', () => { grid.querySelectorAll('.more').forEach(f => f.removeAttribute('hidden')); all.remove(); });
    head.append(all);
  }
  const root = el('div', {class: 'comparison'}, el('div', {class: 'top'}, comparisonPictures(c, first, second), summary(c)), parameters(c.parameters),
    el('section', {class: 'scrub'}, label, slider, words.element), el('h2', {}, 'Step by step, the largest differences first'), head, grid);
  setStep(pair);
  return {element: root, step: () => pair, setStep};
}
