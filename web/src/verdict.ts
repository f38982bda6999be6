import {el, number} from './dom';
import type {Run, Verdict} from './data';

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
    if (v.stage && v.stage !== 'base') list.append(el('dt', {}, 'stage'), el('dd', {}, v.stage));
    if (v.module) list.append(el('dt', {}, 'module'), el('dd', {}, v.module));
    if (run.known_failures.length) list.append(el('dt', {}, 'known as'), el('dd', {}, el('a', {href: '#known'}, run.known_failures.map(k => k.title).join('; '))));
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
