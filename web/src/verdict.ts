import {el, number} from './dom';
import type {Counterfactual, Run, Verdict} from './data';

function bar(label: string, value: number, kind = ''): HTMLElement {
  return el('div', {class: 'bar'}, el('span', {}, label), el('i', {style: `width:${Math.round(100 * value)}%`, class: kind}), el('b', {}, number(value, 2)));
}

export function verdictView(run: Run, goTo: (step: number) => void): HTMLElement {
  const v = run.verdict;
  const box = el('section', {class: 'verdict'});
  if (run.status !== 'finished') box.append(el('p', {class: 'warning'}, `The run did not finish (${run.status}): ${run.steps_done} of ${run.steps_planned || '?'} steps. ${run.error ?? ''}`));
  if (!v) { box.append(el('p', {class: 'sentence'}, 'Not diagnosed yet: run `safelight diagnose` on it.')); return box; }
  const kind = v.healthy ? 'healthy' : v.undetermined ? 'undetermined' : 'broken';
  box.append(el('div', {class: `badge ${kind}`}, v.healthy ? 'healthy' : v.undetermined ? 'undetermined' : v.subsystem));
  box.append(el('p', {class: 'sentence', id: 'sentence'}, v.sentence));
  if (!v.healthy && !v.undetermined) {
    const facts: [string, string][] = [['trigger', v.trigger], ['cause', v.cause], ['confidence', number(v.confidence, 2)], ['remedy', v.remedy]];
    const list = el('dl', {});
    for (const [k, t] of facts) if (t) list.append(el('dt', {}, k), el('dd', {}, t));
    if (v.step >= 0) { const b = el('button', {}, `step ${v.step}`); b.addEventListener('click', () => goTo(v.step)); list.append(el('dt', {}, 'began at'), el('dd', {}, b)); }
    if (v.signatures.length) list.append(el('dt', {}, 'known as'), el('dd', {}, v.signatures.join(', ')));
    box.append(list);
  }
  for (const n of v.notes) box.append(el('p', {class: 'note'}, n));
  return box;
}

export function checksView(v: Verdict): HTMLElement {
  const box = el('section', {class: 'checks'}, el('h2', {}, 'Three checks'));
  for (const c of v.checks) box.append(el('div', {class: `check ${c.state}`, title: c.what}, el('b', {}, c.name), el('span', {}, c.state), el('span', {}, number(c.value)), el('small', {}, c.low === null ? '' : `healthy ${number(c.low)} to ${number(c.high)}`)));
  const scores = el('div', {class: 'bars'}, el('h2', {}, 'Artifact scores'));
  for (const s of v.scores) scores.append(bar(s.symptom, s.score, s.score > 0.1 ? 'bad' : ''));
  const ranking = el('div', {class: 'bars'}, el('h2', {}, 'Subsystems'));
  for (const r of v.ranking.slice(0, 5)) ranking.append(bar(r.subsystem, r.weight));
  box.append(scores);
  if (v.ranking.length) box.append(ranking);
  return box;
}

export function counterfactualsView(list: Counterfactual[], own: string | undefined): HTMLElement {
  const box = el('section', {class: 'counterfactuals'}, el('h2', {}, 'Counterfactuals'));
  const picture = (src: string | null | undefined, label: string, score: number) => el('figure', {}, src ? el('img', {src, alt: label}) : el('div', {class: 'missing'}, 'not kept'), el('figcaption', {}, `${label} ${number(score, 2)}`));
  for (const c of list) {
    const row = el('div', {class: 'row'});
    row.append(picture(own, 'as it was', c.before[0]));
    c.after_images.forEach((src, i) => row.append(picture(src, `${c.change}, seed ${i + 1}`, c.after[i])));
    c.sham_images.slice(0, 1).forEach((src, i) => row.append(picture(src, 'sham', c.sham[i])));
    box.append(el('h3', {class: c.cures ? 'cure' : ''}, `${c.change}: ${c.cures ? 'cures it' : 'does not cure it'}, ${number(c.cost_ratio, 2)} times the time`), row);
  }
  return box;
}
