import './style.css';
import {el} from './dom';
import {runView, type RunView} from './run_view';
import type {Report} from './data';

const text = document.getElementById('safelight-data')?.textContent ?? 'null';
const report = JSON.parse(text) as Report | null;
const app = document.getElementById('app') as HTMLElement;
if (!report || !report.runs.length) {
  app.append(el('p', {}, 'This page holds no run. `safelight report RUN` makes one that does.'));
} else {
  const views: RunView[] = report.runs.map(runView);
  let current = 0;
  const body = el('div', {});
  const tabs = el('nav', {});
  const show = (i: number) => { current = i; body.replaceChildren(views[i].element); tabs.querySelectorAll('button').forEach((b, k) => b.classList.toggle('on', k === i)); };
  report.runs.forEach((run, i) => { const b = el('button', {}, run.id); b.addEventListener('click', () => show(i)); tabs.append(b); });
  app.append(el('header', {}, el('h1', {}, 'Safelight'), el('span', {class: 'prompt', id: 'prompt'}, String(report.runs[0].resolved['prompt'] ?? ''))), report.runs.length > 1 ? tabs : el('span', {}), body);
  show(0);
  document.addEventListener('keydown', e => {
    if ((e.target as HTMLElement).tagName === 'INPUT') return;
    if (e.key === 'ArrowLeft') views[current].setStep(views[current].step() - 1);
    if (e.key === 'ArrowRight') views[current].setStep(views[current].step() + 1);
  });
}
